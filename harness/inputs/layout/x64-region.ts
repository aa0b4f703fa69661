/** Memory types that PAT can give a page (SDM Vol. 3A table 11-10), by the names of the manual. */
const X64_MEMORY_TYPES = {
  uncacheable: 0,
  'write-combining': 1,
  'write-through': 4,
  'write-protected': 5,
  'write-back': 6,
  'uncached-minus': 7,
} as const;

export type X64MemoryTypeName = keyof typeof X64_MEMORY_TYPES;

export const X64_MEMORY_TYPE_NAMES = Object.keys(X64_MEMORY_TYPES) as X64MemoryTypeName[];

/** The number of a memory type in PAT and in the `memoryType` column. */
export function x64MemoryTypeNumber(name: X64MemoryTypeName): number {
  return X64_MEMORY_TYPES[name];
}

/** Sizes of pages, largest last. */
export const PAGE_SIZE_NAMES = ['4K', '2M', '1G'] as const;
export type PageSizeName = (typeof PAGE_SIZE_NAMES)[number];

/** 4 KiB frames in a page. */
export const FRAMES_OF_PAGE_SIZE: Readonly<Record<PageSizeName, number>> = {
  '4K': 1,
  '2M': 512,
  '1G': 262_144,
};

/** What a region of an x64 layout may declare beyond its attributes. */
export interface X64RegionDetails {
  /** Whether G is set in every leaf; undefined: not declared. */
  readonly global: boolean | undefined;
  /** The largest page that may map it; undefined: any. */
  readonly pageSize: PageSizeName | undefined;
  /** The memory type that PAT gives it; undefined: what the cache attribute says. */
  readonly memoryType: X64MemoryTypeName | undefined;
}

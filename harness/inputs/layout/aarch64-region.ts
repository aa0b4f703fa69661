import type { GranuleName } from '../../../src/aarch64/mapping/table-geometry.ts';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { Rights } from '../../../src/permissions.ts';

/** Memory types by the names of the Arm ARM, and the byte of MAIR that each is (D19.2, MAIR_EL1). */
const MEMORY_TYPES = {
  'device-nGnRnE': 0x00,
  'device-nGnRE': 0x04,
  'device-nGRE': 0x08,
  'device-GRE': 0x0c,
  'normal-non-cacheable': 0x44,
  'normal-write-through': 0xbb,
  'normal-write-back': 0xff,
} as const;

export type AArch64MemoryTypeName = keyof typeof MEMORY_TYPES;

export const AARCH64_MEMORY_TYPE_NAMES = Object.keys(MEMORY_TYPES) as AArch64MemoryTypeName[];

/**
 * The byte of MAIR of a memory type. Write-through and write-back are inner and outer, not transient, and allocate
 * on reads and on writes, which is also what stage 2 makes of them.
 */
export function mairByte(name: AArch64MemoryTypeName): number {
  return MEMORY_TYPES[name];
}

/** The name of a byte of MAIR; undefined if no layout can name it. */
export function aarch64MemoryTypeOf(byte: number): AArch64MemoryTypeName | undefined {
  return AARCH64_MEMORY_TYPE_NAMES.find((name) => MEMORY_TYPES[name] === byte);
}

/** The cache attribute that a memory type belongs to. */
export function cacheAttributeOfType(name: AArch64MemoryTypeName): number {
  if (name === 'normal-non-cacheable') return MemoryAttributes.WriteCombining;
  if (name === 'normal-write-through') return MemoryAttributes.WriteThrough;
  return name === 'normal-write-back' ? MemoryAttributes.Writeback : MemoryAttributes.Uncached;
}

/** Shareability domains, and their values of SH (Arm ARM D8.6.2). */
const SHAREABILITIES = { none: 0, outer: 2, inner: 3 } as const;

export type ShareName = keyof typeof SHAREABILITIES;

export const SHARE_NAMES = Object.keys(SHAREABILITIES) as ShareName[];

/** The value of SH of a shareability domain. */
export function shareabilityBits(name: ShareName): number {
  return SHAREABILITIES[name];
}

/** The name of a value of SH; undefined for the reserved one. */
export function shareNameOf(bits: number): ShareName | undefined {
  return SHARE_NAMES.find((name) => SHAREABILITIES[name] === bits);
}

/**
 * Memory whose shareability no descriptor decides: Device memory and memory that is non-cacheable throughout are outer
 * shareable (Arm ARM D8.6.2).
 */
export function ignoresShareability(name: AArch64MemoryTypeName): boolean {
  return name.startsWith('device-') || name === 'normal-non-cacheable';
}

/** Which pages and blocks the tables of a granule have, largest last (Arm ARM D8.2; without FEAT_LPA and LPA2). */
export const PAGE_SIZES_OF_GRANULE = {
  '4K': ['4K', '2M', '1G'],
  '16K': ['16K', '32M'],
  '64K': ['64K', '512M'],
} as const;

export const GRANULE_NAMES = Object.keys(PAGE_SIZES_OF_GRANULE) as GranuleName[];

/** 4 KiB frames in a page or block. */
export const AARCH64_FRAMES_OF_PAGE_SIZE = {
  '4K': 1,
  '16K': 4,
  '64K': 16,
  '2M': 512,
  '32M': 8192,
  '512M': 131_072,
  '1G': 262_144,
} as const;

export type AArch64PageSizeName = keyof typeof AARCH64_FRAMES_OF_PAGE_SIZE;

export const AARCH64_PAGE_SIZE_NAMES = Object.keys(AARCH64_FRAMES_OF_PAGE_SIZE) as AArch64PageSizeName[];

const RIGHTS = ['none', 'r', 'rw', 'x', 'rx', 'rwx'] as const;

/** What a guest may do: S2AP and XN say each right for itself. */
export const GUEST_WORDS = [...RIGHTS, 'w', 'wx'] as const;
export type GuestWord = (typeof GUEST_WORDS)[number];

/** What EL0 may do: `true` is whatever the privileged level may, `false` and `none` are nothing. */
export const USER_WORDS = ['true', 'false', ...RIGHTS] as const;
export type UserWord = (typeof USER_WORDS)[number];

/** The rights that a word other than `true` gives. */
export function rightsOfWord(word: Exclude<UserWord, 'true'> | GuestWord): Rights {
  const letters = word === 'none' || word === 'false' ? '' : word;
  return { read: letters.includes('r'), write: letters.includes('w'), execute: letters.includes('x') };
}

/** Whether nothing may be done. */
export function hasNone({ read, write, execute }: Rights): boolean {
  return !read && !write && !execute;
}

/** "rw", "none". */
export function wordOfRights({ read, write, execute }: Rights): string {
  return `${read ? 'r' : ''}${write ? 'w' : ''}${execute ? 'x' : ''}` || 'none';
}

/** What a region of an AArch64 layout may declare beyond its attributes; what is absent is not declared. */
export interface AArch64RegionDetails {
  /** What EL0 may do; the attributes then say what the privileged level may. */
  readonly user?: Rights | undefined;
  /** What the guest may do at stage 2, where that is said instead of attributes; these then follow from it. */
  readonly guest?: Rights | undefined;
  /** The shareability of the region, which SH of every leaf says. */
  readonly share?: ShareName | undefined;
  /** The memory type, exactly. */
  readonly memoryType?: AArch64MemoryTypeName | undefined;
  /** The largest page or block that may map it. */
  readonly pageSize?: AArch64PageSizeName | undefined;
  /** Whether nG is clear in every leaf. */
  readonly global?: boolean | undefined;
}

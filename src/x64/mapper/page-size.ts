/** The three page sizes of x64 (Intel SDM Vol. 3A §4.5). The size of a page is part of its type. */

interface PageSizeDescription {
  readonly name: '4 KiB' | '2 MiB' | '1 GiB';
  /** Size in bytes. */
  readonly bytes: number;
  /** Size in 4 KiB frames. */
  readonly frames: number;
  /** 1 / `bytes`: a power of two, so that multiplying is exact. */
  readonly perByte: number;
  /** Level of the table that holds the leaf: 1 PT, 2 PD, 3 PDPT. */
  readonly level: 1 | 2 | 3;
}

export const Size4KiB = {
  name: '4 KiB',
  bytes: 0x1000,
  perByte: 2 ** -12,
  frames: 1,
  level: 1,
} as const satisfies PageSizeDescription;
export const Size2MiB = {
  name: '2 MiB',
  bytes: 0x20_0000,
  perByte: 2 ** -21,
  frames: 512,
  level: 2,
} as const satisfies PageSizeDescription;
export const Size1GiB = {
  name: '1 GiB',
  bytes: 0x4000_0000,
  perByte: 2 ** -30,
  frames: 512 * 512,
  level: 3,
} as const satisfies PageSizeDescription;

export type Size4KiB = typeof Size4KiB;
export type Size2MiB = typeof Size2MiB;
export type Size1GiB = typeof Size1GiB;
export type PageSize = Size4KiB | Size2MiB | Size1GiB;

/** The size of a leaf in a table of the given level. */
export function pageSizeOfLevel(level: 1 | 2 | 3): PageSize {
  return level === 1 ? Size4KiB : level === 2 ? Size2MiB : Size1GiB;
}

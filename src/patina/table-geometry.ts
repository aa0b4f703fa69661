import { WORDS_PER_FRAME } from '../addresses.ts';

/**
 * The shape that all tables of this engine have: 4 KiB tables of 512 eight-byte entries. Levels count from 1, the
 * last, upwards: level 1 is the PT of x64 and level 3 of AArch64.
 */

/** Entries in a table. */
export const ENTRIES = 512;
/** 32-bit words in an entry. */
export const WORDS_PER_ENTRY = WORDS_PER_FRAME / ENTRIES;
/** Levels at which a leaf may stand: 1 (4 KiB), 2 (2 MiB) and 3 (1 GiB). */
export const HIGHEST_LEAF_LEVEL = 3;
/** The root entry that leads back to the root, so that the tables can be reached by address once installed. */
export const SELF_MAP_INDEX = 511;
/** The root entry below which one page is reserved for zeroing new tables. */
export const ZERO_VA_INDEX = 510;

/** Pages that one entry covers, by level. */
const PAGES_PER_ENTRY = [0, 1, 2 ** 9, 2 ** 18, 2 ** 27, 2 ** 36];
/** 1 / {@link PAGES_PER_ENTRY}: a power of two, so that multiplying is exact. */
const ENTRIES_PER_PAGE = [0, 1, 2 ** -9, 2 ** -18, 2 ** -27, 2 ** -36];

/** Pages that one entry of a table at this level covers. */
export function pagesPerEntry(level: number): number {
  return PAGES_PER_ENTRY[level] as number;
}

/** Index of the entry that translates a page, in a table at this level. */
export function entryIndex(page: number, level: number): number {
  return (page * (ENTRIES_PER_PAGE[level] as number)) & (ENTRIES - 1);
}

/** First page of the next entry at this level. */
export function nextEntryPage(page: number, level: number): number {
  return (Math.floor(page * (ENTRIES_PER_PAGE[level] as number)) + 1) * (PAGES_PER_ENTRY[level] as number);
}

/** First page of this entry at this level. */
export function firstEntryPage(page: number, level: number): number {
  return Math.floor(page * (ENTRIES_PER_PAGE[level] as number)) * (PAGES_PER_ENTRY[level] as number);
}

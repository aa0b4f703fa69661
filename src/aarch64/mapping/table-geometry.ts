import { FRAME_SIZE } from '../../addresses.ts';
import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';

/** Levels of 4 KiB-granule tables: pages are at the last, blocks at 1 and 2 (Arm ARM D8.2.7, D8.3.1). */
export const LAST_LEVEL = 3;
export const FIRST_BLOCK_LEVEL = 1;
/** Descriptors in a table, and 32-bit words in a descriptor. */
export const ENTRIES = 512;
export const WORDS = 2;

/** Bits of a descriptor that say what it is. */
export const TYPE_MASK = DescriptorLow.Valid | DescriptorLow.TableOrPage;
const VALID: number = DescriptorLow.Valid;
const ADDRESS_HIGH: number = DescriptorHigh.Address;

/** By level. Not computed by powers: those would be doubles, here and in every loop that uses them. */
const PAGES = [0x800_0000, 0x4_0000, 0x200, 1] as const;

/** Pages that an entry of a level covers. */
export function pagesPerEntry(level: number): number {
  return PAGES[level as 0];
}

/** Bytes that the low word of consecutive entries grows by. */
export function lowStep(level: number): number {
  return pagesPerEntry(level) * FRAME_SIZE;
}

/** Which entry of its table translates a page. */
export function entryIndex(page: number, level: number): number {
  return level === LAST_LEVEL ? page & 511 : Math.floor(page / pagesPerEntry(level)) & 511;
}

/** First page of the entry that translates a page. */
export function firstPageOfEntry(page: number, level: number): number {
  const pages = pagesPerEntry(level);
  return Math.floor(page / pages) * pages;
}

/** Whether an entry leads to a table. */
export function isTable(low: number, level: number): boolean {
  return level < LAST_LEVEL && (low & TYPE_MASK) === TYPE_MASK;
}

/** Whether an entry that leads to no table maps something: at the last level 0b01 is reserved and maps nothing. */
export function isValidLeaf(low: number, level: number): boolean {
  return level === LAST_LEVEL ? (low & TYPE_MASK) === TYPE_MASK : (low & VALID) !== 0;
}

/** The frame in a descriptor's address field, bits 47:12. */
export function frameOf(low: number, high: number): number {
  return (high & ADDRESS_HIGH) * 0x10_0000 + (low >>> 12);
}

/** The frame that a leaf of a level maps to: bits below the entry's size (nT is one) are no address. */
export function leafFrameOf(low: number, high: number, level: number): number {
  const frame = frameOf(low, high);
  return level === LAST_LEVEL ? frame : frame - (frame % pagesPerEntry(level));
}

/** Low word's part of a frame's address. */
export function addressLow(frame: number): number {
  return (frame & 0xf_ffff) << 12;
}

/** High word's part of a frame's address. */
export function addressHigh(frame: number): number {
  return (frame * 2 ** -20) & ADDRESS_HIGH;
}

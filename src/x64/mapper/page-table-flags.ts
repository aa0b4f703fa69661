import { EntryHigh, EntryLow } from '../entry-bits.ts';

/**
 * Flags of a page-table entry: every bit outside the address field, packed into one number. Bits 11:0 hold the
 * entry's bits 11:0, bits 23:12 the entry's bits 63:52, so that flags combine with `|` and `&` and NO_EXECUTE is
 * an ordinary bit.
 */
export type PageTableFlagBits = number;

/** Entry bit 52 stands at bit 12 of the packed flags; the high word's flag bits start at its bit 20. */
const HIGH_SHIFT = 8;
const LOW_MASK = 0xfff;
const HIGH_MASK = 0xfff0_0000;
const PACKED_HIGH_SHIFT = 40n;

/** The names of the x86_64 crate's `PageTableFlags`. */
export const PageTableFlags = {
  Present: EntryLow.Present,
  Writable: EntryLow.Writable,
  UserAccessible: EntryLow.User,
  WriteThrough: EntryLow.WriteThrough,
  NoCache: EntryLow.CacheDisable,
  Accessed: EntryLow.Accessed,
  Dirty: EntryLow.Dirty,
  /** A leaf in a PD or PDPT; in a PT the same bit is PAT. */
  HugePage: EntryLow.PageSize,
  Global: EntryLow.Global,
  Bit9: 1 << 9,
  Bit10: 1 << 10,
  Bit11: 1 << 11,
  Bit52: 1 << 12,
  Bit53: 1 << 13,
  Bit54: 1 << 14,
  Bit55: 1 << 15,
  Bit56: 1 << 16,
  Bit57: 1 << 17,
  Bit58: 1 << 18,
  Bit59: 1 << 19,
  Bit60: 1 << 20,
  Bit61: 1 << 21,
  Bit62: 1 << 22,
  NoExecute: EntryHigh.ExecuteDisable >>> HIGH_SHIFT,
} as const;

/** Packs the flag bits of a 64-bit entry; its address bits are ignored. */
export function flagsFromBits(entry: bigint): PageTableFlagBits {
  return Number(entry & BigInt(LOW_MASK)) | (Number(entry >> 52n) << 12);
}

/** The flags at their places in a 64-bit entry. */
export function flagsToBits(flags: PageTableFlagBits): bigint {
  return BigInt(flags & LOW_MASK) | (BigInt(flags & ~LOW_MASK) << PACKED_HIGH_SHIFT);
}

/** The part of the flags that belongs into an entry's bits 31:0. */
export function lowWordOfFlags(flags: PageTableFlagBits): number {
  return flags & LOW_MASK;
}

/** The part of the flags that belongs into an entry's bits 63:32. */
export function highWordOfFlags(flags: PageTableFlagBits): number {
  return (flags & ~LOW_MASK) << HIGH_SHIFT;
}

/** The flags of an entry given as two words. */
export function flagsOfWords(low: number, high: number): PageTableFlagBits {
  return (low & LOW_MASK) | ((high & HIGH_MASK) >>> HIGH_SHIFT);
}

const NAMES: readonly (readonly [string, PageTableFlagBits])[] = Object.entries(PageTableFlags);

/** The names of the flags that are set, lowest bit first. */
export function pageTableFlagNames(flags: PageTableFlagBits): string[] {
  return NAMES.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
}

import { frameOfEntry } from '../addresses.ts';
import { lowMask } from '../bit-field.ts';
import { EntryKind } from '../entry-kind.ts';
import type { EntryFormat } from '../leaf-scan.ts';
import { EntryLow } from './entry-bits.ts';
import { HIGHEST_LEAF_LEVEL, LEVEL_SHIFT, PT_LEVEL, type X64Paging } from './walk-paging.ts';

/** Whether a present entry of a level maps a page instead of leading to a table. */
export function isLeafEntry(level: number, low: number): boolean {
  return level === PT_LEVEL || (level <= HIGHEST_LEAF_LEVEL && (low & EntryLow.PageSize) !== 0);
}

/** What an entry of a level is to the walk (SDM Vol. 3A §4.5.4). */
export function entryKind(paging: X64Paging, level: number, low: number, high: number): EntryKind {
  if ((low & EntryLow.Present) === 0) return EntryKind.Invalid;
  const isLeaf = isLeafEntry(level, low);
  const reserved = isLeaf ? paging.reservedInLeaf : paging.reservedInTable;
  if (((low & (reserved[level] as number)) | (high & paging.reservedHigh)) !== 0) return EntryKind.Malformed;
  return isLeaf ? EntryKind.Leaf : EntryKind.Table;
}

const LEAF_ADDRESS = LEVEL_SHIFT.map((shift) => lowMask(shift, 32));

/** First frame of the page that a leaf of a level maps. */
export function leafFrame(level: number, low: number, high: number): number {
  return frameOfEntry(low & (LEAF_ADDRESS[level] as number), high);
}

/** How a scan for leaves reads x64 tables; the height of a table is its level. */
export function x64EntryFormat(paging: X64Paging): EntryFormat {
  return {
    indexBits: 9,
    pageShift: 12,
    kindOf: (level, low, high) => entryKind(paging, level, low, high),
    frameOf: (level, low, high) =>
      isLeafEntry(level, low) ? leafFrame(level, low, high) : frameOfEntry(low, high),
  };
}

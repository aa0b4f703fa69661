import { frameOfEntry } from '../addresses.ts';
import type { EntryFormat } from './entry-format.ts';

/** Low word's part of a frame's address. */
export function addressLow(frame: number): number {
  return (frame & 0xf_ffff) << 12;
}

/** High word's part of a frame's address. */
export function addressHigh(frame: number): number {
  return (frame * 2 ** -20) & 0xf_ffff;
}

/** The frame that an entry names. */
export function entryFrame(format: EntryFormat, low: number, high: number): number {
  return frameOfEntry(low, high & format.addressHigh);
}

/** Makes an entry lead to the table in a frame. */
export function linkTable(format: EntryFormat, words: Uint32Array, at: number, frame: number): void {
  words[at] = ((words[at] as number) & format.tableKeepLow) | format.tableLow | addressLow(frame);
  words[at + 1] = ((words[at + 1] as number) & format.tableKeepHigh) | addressHigh(frame);
}

/**
 * Writes `entry = (old & keep) | (low, high)` into the entries from word `at` up to word `end`, the low word
 * growing by `step` from entry to entry, with carry. Without bits to keep the old entries are not read.
 */
export function fillEntries(
  words: Uint32Array,
  at: number,
  end: number,
  low: number,
  high: number,
  step: number,
  keepLow: number,
  keepHigh: number,
): void {
  let nextLow = low >>> 0;
  let nextHigh = high;
  if ((keepLow | keepHigh) === 0) {
    for (let word = at; word < end; word += 2) {
      words[word] = nextLow;
      words[word + 1] = nextHigh;
      nextLow = (nextLow + step) >>> 0;
      if (nextLow < step) nextHigh++;
    }
    return;
  }
  for (let word = at; word < end; word += 2) {
    words[word] = ((words[word] as number) & keepLow) | nextLow;
    words[word + 1] = ((words[word + 1] as number) & keepHigh) | nextHigh;
    nextLow = (nextLow + step) >>> 0;
    if (nextLow < step) nextHigh++;
  }
}

import { frameOfEntry } from '../addresses.ts';
import type { EntryFormat } from './entry-format.ts';
import { WORDS_PER_ENTRY } from './table-geometry.ts';

/** Bits 31:12 of an address. */
const ADDRESS_LOW = 0xffff_f000;

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
 * Writes `entry = (old & keep) | (low, high)` into the entries from word `at` up to word `end`; the address grows by
 * `step` bytes from entry to entry. The `| 0` keep the loops in 32-bit integers wherever they are inlined.
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
  let nextLow = low | 0;
  let nextHigh = high | 0;
  let from = at | 0;
  while (from < end) {
    const beforeCarry = Math.ceil((2 ** 32 - ((nextLow & ADDRESS_LOW) >>> 0)) / step);
    const to = Math.min(end, from + beforeCarry * WORDS_PER_ENTRY) | 0;
    if ((keepLow | keepHigh) === 0) writeRun(words, from, to, nextLow, nextHigh, step | 0);
    else mergeRun(words, from, to, nextLow, nextHigh, step | 0, keepLow, keepHigh);
    nextLow = (nextLow + beforeCarry * step) | 0;
    nextHigh = (nextHigh + 1) | 0;
    from = to;
  }
}

function writeRun(
  words: Uint32Array,
  from: number,
  to: number,
  low: number,
  high: number,
  step: number,
): void {
  for (let word = from, next = low; word < to; word += WORDS_PER_ENTRY) {
    words[word] = next;
    words[word + 1] = high;
    next = (next + step) | 0;
  }
}

function mergeRun(
  words: Uint32Array,
  from: number,
  to: number,
  low: number,
  high: number,
  step: number,
  keepLow: number,
  keepHigh: number,
): void {
  for (let word = from, next = low; word < to; word += WORDS_PER_ENTRY) {
    words[word] = ((words[word] as number) & keepLow) | next;
    words[word + 1] = ((words[word + 1] as number) & keepHigh) | high;
    next = (next + step) | 0;
  }
}

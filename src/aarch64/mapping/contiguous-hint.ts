import { DescriptorHigh } from '../descriptor-bits.ts';
import type { MappingContext } from './mapping-context.ts';
import { isValidLeaf, leafFrameOf, pagesPerEntry, WORDS } from './table-geometry.ts';

/** Entries of a run that may share a TLB entry with the 4 KiB granule, at every level (Arm ARM D8.7.1). */
export const RUN_ENTRIES = 16;
/** Words of a run. */
export const RUN_WORDS = RUN_ENTRIES * WORDS;

const { Address, Contiguous } = DescriptorHigh;

/** Whether a leaf belongs to a run. */
export function isHinted(low: number, high: number, level: number): boolean {
  return (high & Contiguous) !== 0 && isValidLeaf(low, level);
}

/** Index in the words of the first entry of the run that an entry is in; tables start at multiples of runs. */
export function runStart(at: number): number {
  return at - (at % RUN_WORDS);
}

/**
 * Clears the bit in a run if the entry has it: the entry is about to differ from the others.
 * @param guarded whether the table existed before the operation
 */
export function breakRun(
  { atomic, journal }: MappingContext,
  words: Uint32Array,
  at: number,
  level: number,
  guarded: boolean,
): void {
  if (!isHinted(words[at] as number, words[at + 1] as number, level)) return;
  const start = runStart(at);
  if (atomic && guarded) journal.save(words, start, RUN_WORDS);
  clearRun(words, start, level);
}

/** Clears the bit in all leaves of the run that starts at `start`. */
export function clearRun(words: Uint32Array, start: number, level: number): void {
  for (let at = start; at < start + RUN_WORDS; at += WORDS) {
    const high = words[at + 1] as number;
    if (isHinted(words[at] as number, high, level)) words[at + 1] = high & ~Contiguous;
  }
}

/**
 * The entries from `index` up to `index + count`, which map to consecutive outputs from the `output`-th on, counted
 * in units of what an entry maps, that form whole runs: first entry, and the one behind the last.
 */
export function wholeRuns(index: number, count: number, output: number): readonly [number, number] {
  const first = Math.ceil(index / RUN_ENTRIES) * RUN_ENTRIES;
  const end = Math.floor((index + count) / RUN_ENTRIES) * RUN_ENTRIES;
  return first < end && (output - index) % RUN_ENTRIES === 0 ? [first, end] : [index, index];
}

/** Sets the bit in every run of blocks between two places of a table whose entries allow it. */
export function hintBlocks(
  { atomic, journal }: MappingContext,
  words: Uint32Array,
  from: number,
  end: number,
  level: number,
  guarded: boolean,
): void {
  for (let start = runStart(from + RUN_WORDS - WORDS); start + RUN_WORDS <= end; start += RUN_WORDS) {
    if (!isUniform(words, start, level)) continue;
    if (atomic && guarded) journal.save(words, start, RUN_WORDS);
    for (let at = start; at < start + RUN_WORDS; at += WORDS) {
      words[at + 1] = (words[at + 1] as number) | Contiguous;
    }
  }
}

/** Whether a run's entries are leaves with the same attributes, consecutive outputs, and the first one's aligned. */
export function isUniform(words: Uint32Array, start: number, level: number): boolean {
  const low = words[start] as number;
  const high = words[start + 1] as number;
  const pages = pagesPerEntry(level);
  const frame = leafFrameOf(low, high, level);
  if (!isValidLeaf(low, level) || frame % (pages * RUN_ENTRIES) !== 0) return false;
  for (let k = 1; k < RUN_ENTRIES; k++) {
    const otherLow = words[start + k * WORDS] as number;
    const otherHigh = words[start + k * WORDS + 1] as number;
    if (
      ((low ^ otherLow) & 0xfff) !== 0 ||
      ((high ^ otherHigh) & ~Address) !== 0 ||
      leafFrameOf(otherLow, otherHigh, level) !== frame + k * pages
    )
      return false;
  }
  return true;
}

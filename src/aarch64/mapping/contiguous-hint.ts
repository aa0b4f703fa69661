import { DescriptorHigh } from '../descriptor-bits.ts';
import { LOW_MASK } from './attribute-words.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, isValidLeaf, leafFrameOf, pagesPerEntry, WORDS } from './table-geometry.ts';

/** Entries of a run that may share a TLB entry with the 4 KiB granule, at every level (Arm ARM D8.7.1). */
export const RUN_ENTRIES = 16;
/** Words of a run; runs start at multiples of it. */
export const RUN_WORDS = RUN_ENTRIES * WORDS;

const { Address, Contiguous } = DescriptorHigh;

/** Where the run of an entry starts. */
export function runStart(at: number): number {
  return at - (at % RUN_WORDS);
}

/**
 * Takes the bit from a whole run if the entry at `at` has it: the entry is about to differ from the others.
 * @param guarded whether the table existed before the operation
 */
export function breakRun(
  { atomic, journal }: MappingContext,
  words: Uint32Array,
  at: number,
  level: number,
  guarded: boolean,
): void {
  const high = words[at + 1] as number;
  if ((high & Contiguous) === 0 || isTable(words[at] as number, level)) return;
  const start = runStart(at);
  if (atomic && guarded) journal.save(words, start, RUN_WORDS);
  for (let entry = start; entry < start + RUN_WORDS; entry += WORDS) {
    words[entry + 1] = (words[entry + 1] as number) & ~Contiguous;
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

/** Gives the bit to every run of blocks between two places of a table whose entries allow it. */
export function hintBlocks(
  context: MappingContext,
  words: Uint32Array,
  from: number,
  end: number,
  level: number,
  guarded: boolean,
): void {
  const { atomic, journal } = context;
  for (let start = runStart(from + RUN_WORDS - WORDS); start + RUN_WORDS <= end; start += RUN_WORDS) {
    if (!mayShare(words, start, level)) continue;
    context.hinted = true;
    if (atomic && guarded) journal.save(words, start, RUN_WORDS);
    for (let at = start; at < start + RUN_WORDS; at += WORDS) {
      words[at + 1] = (words[at + 1] as number) | Contiguous;
    }
  }
}

function mayShare(words: Uint32Array, start: number, level: number): boolean {
  const low = words[start] as number;
  const frame = leafFrameOf(low, words[start + 1] as number, level);
  const isLeaf = isValidLeaf(low, level) && !isTable(low, level);
  return isLeaf && frame % (pagesPerEntry(level) * RUN_ENTRIES) === 0 && isUniform(words, start, level);
}

/** Whether a run's entries have the same attributes and consecutive outputs. */
export function isUniform(words: Uint32Array, start: number, level: number): boolean {
  const low = words[start] as number;
  const high = words[start + 1] as number;
  const pages = pagesPerEntry(level);
  const frame = frameOf(low, high);
  for (let k = 1; k < RUN_ENTRIES; k++) {
    const otherLow = words[start + k * WORDS] as number;
    const otherHigh = words[start + k * WORDS + 1] as number;
    if (
      ((low ^ otherLow) & LOW_MASK) !== 0 ||
      ((high ^ otherHigh) & ~Address) !== 0 ||
      frameOf(otherLow, otherHigh) !== frame + k * pages
    )
      return false;
  }
  return true;
}

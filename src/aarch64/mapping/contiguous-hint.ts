import { DescriptorHigh } from '../descriptor-bits.ts';
import { LOW_MASK } from './attribute-words.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, isValidLeaf, type TableGeometry, WORDS } from './table-geometry.ts';

const { Address, Contiguous } = DescriptorHigh;

/** Where the run of an entry starts. @param runWords words of a run, see `TableGeometry.runWords` */
export function runStart(at: number, runWords: number): number {
  return at - (at % runWords);
}

/**
 * Takes the bit from a whole run if the entry at `at` has it: the entry is about to differ from the others.
 * @param guarded whether the table existed before the operation
 */
export function breakRun(
  { atomic, geometry, journal }: MappingContext,
  words: Uint32Array,
  at: number,
  level: number,
  guarded: boolean,
): void {
  const high = words[at + 1] as number;
  if ((high & Contiguous) === 0 || isTable(words[at] as number, level)) return;
  const runWords = geometry.runWords(level);
  const start = runStart(at, runWords);
  if (atomic && guarded) journal.save(words, start, runWords);
  for (let entry = start; entry < start + runWords; entry += WORDS) {
    words[entry + 1] = (words[entry + 1] as number) & ~Contiguous;
  }
}

/**
 * The entries from `index` up to `index + count`, which map to consecutive outputs from the `output`-th on, counted
 * in units of what an entry maps, that form whole runs: first entry, and the one behind the last.
 */
export function wholeRuns(
  index: number,
  count: number,
  output: number,
  runEntries: number,
): readonly [number, number] {
  const first = Math.ceil(index / runEntries) * runEntries;
  const end = Math.floor((index + count) / runEntries) * runEntries;
  return first < end && (output - index) % runEntries === 0 ? [first, end] : [index, index];
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
  const { atomic, geometry, journal } = context;
  const runWords = geometry.runWords(level);
  for (let start = runStart(from + runWords - WORDS, runWords); start + runWords <= end; start += runWords) {
    if (!mayShare(geometry, words, start, level)) continue;
    context.hinted = true;
    if (atomic && guarded) journal.save(words, start, runWords);
    for (let at = start; at < start + runWords; at += WORDS) {
      words[at + 1] = (words[at + 1] as number) | Contiguous;
    }
  }
}

function mayShare(geometry: TableGeometry, words: Uint32Array, start: number, level: number): boolean {
  const low = words[start] as number;
  const frame = geometry.leafFrameOf(low, words[start + 1] as number, level);
  const isLeaf = isValidLeaf(low, level) && !isTable(low, level);
  const pages = geometry.pagesPerEntry(level) * geometry.runEntries(level);
  return isLeaf && frame % pages === 0 && isUniform(geometry, words, start, level);
}

/** Whether a run's entries have the same attributes and consecutive outputs. */
export function isUniform(
  geometry: TableGeometry,
  words: Uint32Array,
  start: number,
  level: number,
): boolean {
  const low = words[start] as number;
  const high = words[start + 1] as number;
  const pages = geometry.pagesPerEntry(level);
  const runEntries = geometry.runEntries(level);
  const frame = frameOf(low, high);
  for (let k = 1; k < runEntries; k++) {
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

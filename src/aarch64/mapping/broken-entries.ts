import { DescriptorHigh } from '../descriptor-bits.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, isValidLeaf, LAST_LEVEL, type TableGeometry, WORDS } from './table-geometry.ts';

/** A leaf that is zero until it is made again. */
export interface BrokenEntry {
  readonly words: Uint32Array;
  readonly at: number;
  readonly level: number;
  /** First page that it covers. */
  readonly page: number;
  /** What it was, without a contiguous bit that the engine had set. */
  readonly low: number;
  readonly high: number;
}

/**
 * Zeroes every valid leaf that maps a page from `page` up to `end`, and the others of their contiguous runs.
 * @returns them in ascending order
 */
export function breakLeaves(context: MappingContext, page: number, end: number): BrokenEntry[] {
  const { atomic, geometry, hinted, journal, stale } = context;
  let leaves = leavesOf(context, page, end);
  if (hinted) {
    const first = leaves[0];
    const last = leaves.at(-1);
    const from = first === undefined ? page : Math.min(page, runOf(geometry, first).page);
    const to = last === undefined ? end : Math.max(end, runOf(geometry, last).end);
    if (from < page || to > end) {
      leaves = leavesOf(context, from, to).filter(
        (leaf) =>
          overlaps(leaf.page, leaf.page + geometry.pagesPerEntry(leaf.level), page, end) ||
          sharesRun(geometry, leaf, page, end),
      );
    }
  }
  for (const { words, at, page: first } of leaves) {
    if (atomic) journal.save(words, at, WORDS);
    stale?.changed(first);
    words[at] = 0;
    words[at + 1] = 0;
  }
  if (!hinted) return leaves;
  return leaves.map((leaf) => ({ ...leaf, high: leaf.high & ~DescriptorHigh.Contiguous }));
}

/** The pages of a leaf's run, or of the leaf alone. */
function runOf(geometry: TableGeometry, { level, page, high }: BrokenEntry): { page: number; end: number } {
  const entries = (high & DescriptorHigh.Contiguous) !== 0 ? geometry.runEntries(level) : 1;
  const pages = geometry.pagesPerEntry(level) * entries;
  const first = page - (page % pages);
  return { page: first, end: first + pages };
}

function sharesRun(geometry: TableGeometry, leaf: BrokenEntry, page: number, end: number): boolean {
  const run = runOf(geometry, leaf);
  return overlaps(run.page, run.end, page, end);
}

function overlaps(start: number, end: number, otherStart: number, otherEnd: number): boolean {
  return start < otherEnd && otherStart < end;
}

function leavesOf(context: MappingContext, page: number, end: number): BrokenEntry[] {
  const { geometry } = context;
  const leaves: BrokenEntry[] = [];
  const visit = (tableFrame: number, level: number, firstPage: number, stop: number): void => {
    const start = context.tables.locate(tableFrame);
    const { words } = context.tables;
    const pages = geometry.pagesPerEntry(level);
    for (let at = geometry.firstPageOfEntry(firstPage, level); at < stop; at += pages) {
      const index = start + geometry.entryIndex(at, level) * WORDS;
      const low = words[index] as number;
      const high = words[index + 1] as number;
      if (isTable(low, level) && level < LAST_LEVEL) {
        visit(frameOf(low, high), level + 1, Math.max(at, firstPage), Math.min(at + pages, stop));
      } else if (isValidLeaf(low, level)) leaves.push({ words, at: index, level, page: at, low, high });
    }
  };
  if (page < end) visit(context.rootFrame, context.rootLevel, page, end);
  return leaves;
}

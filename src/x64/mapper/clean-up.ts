import { frameOfEntry } from '../../addresses.ts';
import { EntryLow } from '../entry-bits.ts';
import type { FrameDeallocator } from './frame-allocator.ts';
import type { Size4KiB } from './page-size.ts';
import type { PhysFrame } from './phys-frame.ts';
import { pagesPerEntry, type TableTree } from './table-tree.ts';

const ENTRIES = 512;
const ENTRY_WORDS = 2;

/**
 * Frees every table below the root that lies on the way to the pages `start` to `last` (4 KiB page numbers,
 * sign-extended, both included) and holds no entry in use.
 * @param isTable tells which root entries are to be followed
 */
export function cleanUp(
  tree: TableTree,
  start: number,
  last: number,
  deallocator: FrameDeallocator,
  isTable: (rootIndex: number) => boolean = () => true,
): void {
  if (start > last) return;
  const pagesPerRoot = pagesPerEntry(tree.levels);
  const lastOfRoot = Math.floor(last / pagesPerRoot) % ENTRIES;
  for (let entry = Math.floor(start / pagesPerRoot) % ENTRIES; entry <= lastOfRoot; entry++) {
    if (isTable(entry))
      cleanEntry(
        tree,
        tree.rootFrame,
        entry,
        tree.levels,
        signExtended(entry, tree.levels),
        start,
        last,
        deallocator,
      );
  }
}

/** First page under a root entry: entries of the upper half stand for sign-extended pages. */
function signExtended(entry: number, levels: number): number {
  const page = entry * pagesPerEntry(levels);
  return entry < ENTRIES / 2 ? page : page + 2 ** 52 - pagesPerEntry(levels + 1);
}

function cleanEntry(
  tree: TableTree,
  frame: number,
  entry: number,
  level: number,
  firstPage: number,
  start: number,
  last: number,
  deallocator: FrameDeallocator,
): void {
  const index = tree.locate(frame) + entry * ENTRY_WORDS;
  const low = tree.words[index] as number;
  if ((low & (EntryLow.Present | EntryLow.PageSize)) !== EntryLow.Present) return;
  const table = frameOfEntry(low, tree.words[index + 1] as number);
  if (level > 2) {
    const below = tree.locate(table);
    const words = tree.words;
    const pages = pagesPerEntry(level - 1);
    const from = Math.max(0, Math.floor((start - firstPage) / pages));
    const to = Math.min(ENTRIES - 1, Math.floor((last - firstPage) / pages));
    for (let at = from; at <= to; at++) {
      if (((words[below + at * ENTRY_WORDS] as number) & EntryLow.Present) === 0) continue;
      cleanEntry(tree, table, at, level - 1, firstPage + at * pages, start, last, deallocator);
    }
  }
  if (!tree.isEmpty(table)) return;
  const parent = tree.locate(frame) + entry * ENTRY_WORDS;
  tree.words[parent] = 0;
  tree.words[parent + 1] = 0;
  deallocator.deallocateFrame(table as PhysFrame<Size4KiB>);
}

import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, LAST_LEVEL, WORDS } from './table-geometry.ts';

/** Unlinks every table whose entries are all zero. */
export function compactTables(context: MappingContext): void {
  compactTable(context, context.rootFrame, context.rootLevel, 0);
}

/** @returns whether the table's entries are all zero */
function compactTable(
  context: MappingContext,
  tableFrame: number,
  level: number,
  firstPage: number,
): boolean {
  const { atomic, geometry, journal, release, stale, tables } = context;
  const start = tables.locate(tableFrame);
  const words = tables.words;
  const pages = geometry.pagesPerEntry(level);
  const entries = geometry.entriesAt(level);
  let empty = true;
  for (let entry = 0; entry < entries; entry++) {
    const at = start + entry * WORDS;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if ((low | high) === 0) continue;
    const page = firstPage + entry * pages;
    if (level < LAST_LEVEL && isTable(low, level)) {
      const child = frameOf(low, high);
      if (compactTable(context, child, level + 1, page)) {
        if (atomic) journal.save(words, at, WORDS);
        words[at] = 0;
        words[at + 1] = 0;
        stale?.changed(page);
        release.unlinked(child);
        continue;
      }
    }
    empty = false;
    if (level === LAST_LEVEL) return false;
  }
  return empty;
}

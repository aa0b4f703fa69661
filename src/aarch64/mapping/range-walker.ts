import type { DescriptorCursor } from './descriptor-cursor.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, LAST_LEVEL, WORDS } from './table-geometry.ts';

/** A copy of the imported constant, which V8 would read anew in every iteration. */
const STRIDE: number = WORDS;

/**
 * Shows a callback every block, page and invalid descriptor of the pages from `page` up to `end`, in order, through
 * the one cursor.
 */
export function visitRange<C extends DescriptorCursor>(
  context: MappingContext,
  page: number,
  end: number,
  cursor: C,
  visit: (descriptor: C) => void,
): void {
  if (page < end) visitTable(context, context.rootFrame, context.rootLevel, page, end, cursor, visit);
}

function visitTable<C extends DescriptorCursor>(
  context: MappingContext,
  tableFrame: number,
  level: number,
  firstPage: number,
  end: number,
  cursor: C,
  visit: (descriptor: C) => void,
): void {
  const { geometry, tables } = context;
  const start = tables.locate(tableFrame);
  const words = tables.words;
  let at = start + geometry.entryIndex(firstPage, level) * WORDS;
  const pages = geometry.pagesPerEntry(level);
  if (level === LAST_LEVEL) {
    cursor.level = level;
    cursor.pageCount = pages;
    cursor.visiting = true;
    for (let page = firstPage; page < end; page += pages) {
      cursor.lowWord = (words[at] as number) | 0;
      cursor.highWord = (words[at + 1] as number) | 0;
      cursor.page = page;
      visit(cursor);
      at += STRIDE;
    }
    cursor.visiting = false;
    return;
  }
  for (let page = firstPage; page < end; at += STRIDE) {
    const stop = Math.min(geometry.firstPageOfEntry(page, level) + pages, end);
    const low = words[at] as number;
    if (isTable(low, level)) {
      visitTable(context, frameOf(low, words[at + 1] as number), level + 1, page, stop, cursor, visit);
    } else {
      cursor.lowWord = low | 0;
      cursor.highWord = (words[at + 1] as number) | 0;
      cursor.level = level;
      cursor.page = page;
      cursor.pageCount = stop - page;
      cursor.visiting = true;
      visit(cursor);
      cursor.visiting = false;
    }
    page = stop;
  }
}

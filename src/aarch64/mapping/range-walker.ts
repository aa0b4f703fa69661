import type { MappingContext } from './mapping-context.ts';
import {
  entryIndex,
  firstPageOfEntry,
  frameOf,
  isTable,
  LAST_LEVEL,
  pagesPerEntry,
  WORDS,
} from './table-geometry.ts';
import type { DescriptorPlace } from './updatable-descriptor.ts';

/**
 * Comes to every block, page and invalid descriptor of the pages from `page` up to `end`, in order, changing
 * nothing. Sets `place` before each visit.
 */
export function visitRange(
  context: MappingContext,
  page: number,
  end: number,
  place: DescriptorPlace,
  visit: () => void,
): void {
  visitTable(context, context.rootFrame, context.rootLevel, page, end, place, visit);
}

function visitTable(
  context: MappingContext,
  tableFrame: number,
  level: number,
  firstPage: number,
  end: number,
  place: DescriptorPlace,
  visit: () => void,
): void {
  const start = context.tables.locate(tableFrame);
  const words = context.tables.words;
  let at = start + entryIndex(firstPage, level) * WORDS;
  if (level === LAST_LEVEL) {
    for (let page = firstPage; page < end; page++) {
      place.words = words;
      place.at = at;
      place.level = level;
      place.page = page;
      place.end = page + 1;
      visit();
      at += WORDS;
    }
    return;
  }
  const pages = pagesPerEntry(level);
  for (let page = firstPage; page < end; at += WORDS) {
    const stop = Math.min(firstPageOfEntry(page, level) + pages, end);
    const low = words[at] as number;
    if (isTable(low, level)) {
      visitTable(context, frameOf(low, words[at + 1] as number), level + 1, page, stop, place, visit);
    } else {
      place.words = words;
      place.at = at;
      place.level = level;
      place.page = page;
      place.end = stop;
      visit();
    }
    page = stop;
  }
}

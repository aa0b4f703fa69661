import type { DescriptorCursor } from './descriptor-cursor.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, LAST_LEVEL, WORDS } from './table-geometry.ts';

/** A copy of the imported constant, which V8 would read anew in every iteration. */
const STRIDE: number = WORDS;

/** What a walk of a range hands the descriptors to that lead to no table. */
export interface RangeVisitor {
  /**
   * The page descriptors of one table from word `at` up to word `endAt`, of which the first maps `page`. A loop that
   * calls for each descriptor is as fast as its calls: each kind of walk has its own, in which V8 can compile the
   * callback in.
   */
  visitPages(words: Uint32Array, at: number, endAt: number, page: number): void;
  /** A descriptor above the last level, of which the pages from `page` up to `end` are visited. */
  visitEntry(words: Uint32Array, at: number, level: number, page: number, end: number): void;
}

/** Shows a visitor every block, page and invalid descriptor of the pages from `page` up to `end`, in order. */
export function walkRange(context: MappingContext, page: number, end: number, visitor: RangeVisitor): void {
  if (page < end) walkTable(context, context.rootFrame, context.rootLevel, page, end, visitor);
}

function walkTable(
  context: MappingContext,
  tableFrame: number,
  level: number,
  firstPage: number,
  end: number,
  visitor: RangeVisitor,
): void {
  const { geometry, tables } = context;
  const start = tables.locate(tableFrame);
  const words = tables.words;
  const pages = geometry.pagesPerEntry(level);
  let at = start + geometry.entryIndex(firstPage, level) * WORDS;
  if (level === LAST_LEVEL) {
    const endAt = at + geometry.entryCount(end - firstPage, level) * WORDS;
    visitor.visitPages(words, at, endAt, firstPage);
    return;
  }
  for (let page = firstPage; page < end; at += STRIDE) {
    const stop = Math.min(geometry.firstPageOfEntry(page, level) + pages, end);
    const low = words[at] as number;
    if (isTable(low, level)) {
      walkTable(context, frameOf(low, words[at + 1] as number), level + 1, page, stop, visitor);
    } else visitor.visitEntry(words, at, level, page, stop);
    page = stop;
  }
}

/** Shows a callback each descriptor through the one cursor. */
export class CallbackVisitor implements RangeVisitor {
  readonly #cursor: DescriptorCursor;
  readonly #visit: (descriptor: DescriptorCursor) => void;

  constructor(cursor: DescriptorCursor, visit: (descriptor: DescriptorCursor) => void) {
    this.#cursor = cursor;
    this.#visit = visit;
  }

  visitPages(words: Uint32Array, firstAt: number, endAt: number, page: number): void {
    const cursor = this.#cursor;
    const visit = this.#visit;
    cursor.enterPages(words, firstAt, page);
    cursor.visiting = true;
    for (let at = firstAt; at < endAt; at += STRIDE) {
      cursor.at = at;
      cursor.lowWord = (words[at] as number) | 0;
      cursor.highWord = (words[at + 1] as number) | 0;
      visit(cursor);
    }
    cursor.visiting = false;
  }

  visitEntry(words: Uint32Array, at: number, level: number, page: number, end: number): void {
    const cursor = this.#cursor;
    cursor.enterEntry(words, at, level, page, end - page);
    cursor.visiting = true;
    this.#visit(cursor);
    cursor.visiting = false;
  }
}

import type { MemoryAttributeBits } from '../memory-attributes.ts';
import { PRIVATE_ATTRIBUTES } from './entry-format.ts';
import { entryFrame } from './entry-words.ts';
import type { TableContext } from './table-context.ts';
import {
  ENTRIES,
  entryIndex,
  firstEntryPage,
  HIGHEST_LEAF_LEVEL,
  pagesPerEntry,
  SELF_MAP_INDEX,
  WORDS_PER_ENTRY,
  ZERO_VA_INDEX,
} from './table-geometry.ts';

/** Where the walk stands in the table of one level. */
interface Place {
  words: Uint32Array;
  /** Index of the table's first word. */
  start: number;
  /** Next entry to look at. */
  index: number;
  /** Page that entry 0 translates. */
  firstPage: number;
  inherited: MemoryAttributeBits;
}

/**
 * Goes over the present leaves depth first, in ascending order of the tables' indices, without creating an object
 * for each. The fields describe the leaf that the last {@link advance} found.
 */
export class MappedRegionCursor {
  /** First page that the leaf translates, without sign extension. */
  page = 0;
  /** Pages that it covers: 1, 512 or 262,144. */
  pageCount = 0;
  /** First frame that it maps to. */
  frame = 0;
  /** Attributes of the leaf together with the restrictions of the tables above it. */
  attributes: MemoryAttributeBits = 0;

  readonly #context: TableContext;
  readonly #startPage: number;
  readonly #skipsReserved: boolean;
  /** Places by level. */
  readonly #places: Place[];
  #level: number;

  /** @param startPage the walk begins with the leaf that holds this page, or the next one behind it */
  constructor(context: TableContext, startPage: number) {
    this.#context = context;
    this.#startPage = startPage;
    this.#level = context.rootLevel;
    this.#places = Array.from({ length: context.rootLevel + 1 }, () => ({
      words: context.tables.words,
      start: 0,
      index: 0,
      firstPage: 0,
      inherited: 0,
    }));
    this.#enter(context.rootFrame, context.rootLevel, 0, 0);
    this.#skipsReserved = this.#isSelfMapped();
  }

  /** Moves to the next leaf. @returns false if there is none. @throws PageTableError TableOutsideMemory */
  advance(): boolean {
    const { format, rootLevel } = this.#context;
    while (this.#level <= rootLevel) {
      const level = this.#level;
      const place = this.#places[level] as Place;
      const index = place.index;
      if (index === ENTRIES) {
        this.#level = level + 1;
        continue;
      }
      place.index = index + 1;
      const at = place.start + index * WORDS_PER_ENTRY;
      const low = place.words[at] as number;
      if ((low & format.present) === 0) continue;
      if (level === rootLevel && this.#skipsReserved && index >= ZERO_VA_INDEX) continue;
      const high = place.words[at + 1] as number;
      const pages = pagesPerEntry(level);
      const page = place.firstPage + index * pages;
      const frame = entryFrame(format, low, high);
      if (level === 1 || (level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue)) {
        this.page = page;
        this.pageCount = pages;
        this.frame = firstEntryPage(frame, level);
        this.attributes = format.leafAttributes(low, high, place.inherited) & ~PRIVATE_ATTRIBUTES;
        return true;
      }
      this.#enter(frame, level - 1, page, place.inherited | format.tableRestrictions(low, high));
    }
    return false;
  }

  #enter(frame: number, level: number, firstPage: number, inherited: MemoryAttributeBits): void {
    const { tables } = this.#context;
    const place = this.#places[level] as Place;
    place.start = tables.locate(frame);
    place.words = tables.words;
    place.firstPage = firstPage;
    place.index = this.#startPage <= firstPage ? 0 : entryIndex(this.#startPage, level);
    place.inherited = inherited;
    this.#level = level;
  }

  /** Whether the root leads back to itself; only then its last two entries are the engine's own. */
  #isSelfMapped(): boolean {
    const { format, rootFrame, rootLevel } = this.#context;
    const { words, start } = this.#places[rootLevel] as Place;
    const at = start + SELF_MAP_INDEX * WORDS_PER_ENTRY;
    const low = words[at] as number;
    return (low & format.present) !== 0 && entryFrame(format, low, words[at + 1] as number) === rootFrame;
  }
}

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

/** A copy of the imported constant, which V8 would read anew for every leaf. */
const STRIDE: number = WORDS_PER_ENTRY;

/** A low word that no masked word equals. */
const NOT_DECODED = -1;

/** Where the walk stands in a table above the last level. */
interface Place {
  words: Uint32Array;
  /** Index of the low word of the next entry to look at, and of the first word behind the table. */
  at: number;
  end: number;
  /** Page that the next entry translates first. */
  page: number;
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
  /** Places by level; those of levels 0 and 1 are not used. */
  readonly #places: Place[];
  /** Level of the table above the last level in which the walk goes on when {@link #words} is done. */
  #level: number;
  /** The last-level table, where most of the time is spent: its words, the next entry, and the end. */
  #words: Uint32Array;
  #at = 0;
  #end = 0;
  /** Page that the entry at word 0 of {@link #words} would translate. */
  #pageAtWord0 = 0;
  #inherited: MemoryAttributeBits = 0;
  /** Masks of the entry format, as small integers of this object: every leaf is read through them. */
  readonly #present: number = 0;
  readonly #attributesLow: number = 0;
  readonly #attributesHigh: number = 0;
  readonly #addressHigh: number = 0;
  /** The words from which {@link attributes} was decoded, masked; the next leaf mostly has the same. */
  #decodedLow = NOT_DECODED;
  #decodedHigh = 0;

  /** @param startPage the walk begins with the leaf that holds this page, or the next one behind it */
  constructor(context: TableContext, startPage: number) {
    const { rootFrame, rootLevel, tables } = context;
    const { format } = context;
    this.#context = context;
    this.#present = format.present | 0;
    this.#attributesLow = format.attributesLow | 0;
    this.#attributesHigh = format.attributesHigh | 0;
    this.#addressHigh = format.addressHigh | 0;
    this.#startPage = startPage;
    this.#level = rootLevel;
    this.#words = tables.words;
    this.#places = Array.from({ length: rootLevel + 1 }, () => ({
      words: tables.words,
      at: 0,
      end: 0,
      page: 0,
      inherited: 0,
    }));
    this.#enter(rootFrame, rootLevel, 0, 0);
    this.#hideReserved(this.#places[rootLevel] as Place);
  }

  /** Moves to the next leaf. @returns false if there is none. @throws PageTableError TableOutsideMemory */
  advance(): boolean {
    for (;;) {
      if (this.#advanceInPages()) return true;
      if (this.#level > this.#context.rootLevel) return false;
      if (this.#advanceInTables(this.#level)) return true;
    }
  }

  /** Moves to the next page in the last-level table. */
  #advanceInPages(): boolean {
    const present = this.#present;
    const words = this.#words;
    const end = this.#end | 0;
    for (let at = this.#at | 0; at < end; at += STRIDE) {
      const low = words[at] as number;
      if ((low & present) === 0) continue;
      const high = words[at | 1] as number;
      const unlike =
        ((low & this.#attributesLow) ^ this.#decodedLow) |
        ((high & this.#attributesHigh) ^ this.#decodedHigh);
      if (unlike !== 0) this.#decode(low, high, this.#inherited);
      this.#at = at + STRIDE;
      this.page = this.#pageAtWord0 + (at >> 1);
      this.frame = (high & this.#addressHigh) * 2 ** 20 + (low >>> 12);
      return true;
    }
    this.#at = end;
    return false;
  }

  /** Moves to the next large page in a table above the last level, or down into a table, or up. */
  #advanceInTables(level: number): boolean {
    const { format } = this.#context;
    const place = this.#places[level] as Place;
    const { words, at, page, inherited } = place;
    if (at >= place.end) {
      this.#level = level + 1;
      return false;
    }
    place.at = at + WORDS_PER_ENTRY;
    place.page = page + pagesPerEntry(level);
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if ((low & format.present) === 0) return false;
    const frame = entryFrame(format, low, high);
    if (level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue) {
      this.page = page;
      this.pageCount = pagesPerEntry(level);
      this.frame = firstEntryPage(frame, level);
      this.#decode(low, high, inherited);
      return true;
    }
    this.#enter(frame, level - 1, page, inherited | format.tableRestrictions(low, high));
    return false;
  }

  #enter(frame: number, level: number, firstPage: number, inherited: MemoryAttributeBits): void {
    const { tables } = this.#context;
    const start = tables.locate(frame);
    const end = start + ENTRIES * WORDS_PER_ENTRY;
    const first = this.#startPage <= firstPage ? 0 : entryIndex(this.#startPage, level);
    const at = start + first * WORDS_PER_ENTRY;
    if (level === 1) {
      this.#words = tables.words;
      this.#at = at;
      this.#end = end;
      this.#pageAtWord0 = firstPage - (start >> 1);
      this.#inherited = inherited;
      this.#decodedLow = NOT_DECODED;
      this.pageCount = 1;
      return;
    }
    const place = this.#places[level] as Place;
    place.words = tables.words;
    place.at = at;
    place.end = end;
    place.page = firstPage + first * pagesPerEntry(level);
    place.inherited = inherited;
    this.#level = level;
  }

  #decode(low: number, high: number, inherited: MemoryAttributeBits): void {
    const { format } = this.#context;
    this.attributes = format.leafAttributes(low, high, inherited) & ~PRIVATE_ATTRIBUTES;
    this.#decodedLow = low & this.#attributesLow;
    this.#decodedHigh = high & this.#attributesHigh;
  }

  /** If the root leads back to itself its last two entries are the engine's own. */
  #hideReserved(root: Place): void {
    const { format, rootFrame } = this.#context;
    const tableStart = root.end - ENTRIES * WORDS_PER_ENTRY;
    const at = tableStart + SELF_MAP_INDEX * WORDS_PER_ENTRY;
    const low = root.words[at] as number;
    if ((low & format.present) === 0) return;
    if (entryFrame(format, low, root.words[at + 1] as number) !== rootFrame) return;
    root.end = tableStart + ZERO_VA_INDEX * WORDS_PER_ENTRY;
  }
}

import { addressOfPage, FRAME_SIZE, hex } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import { PageWalk } from '../memory/page-walk.ts';
import { type MemoryAttributeBits, memoryAttributeNames } from '../memory-attributes.ts';
import { type LeafTemplate, PRIVATE_ATTRIBUTES } from './entry-format.ts';
import { addressHigh, addressLow, entryFrame, fillEntries, linkTable } from './entry-words.ts';
import { type TableContext, walkedTables } from './table-context.ts';
import {
  ENTRIES,
  entryIndex,
  firstEntryPage,
  HIGHEST_LEAF_LEVEL,
  nextEntryPage,
  pagesPerEntry,
  WORDS_PER_ENTRY,
} from './table-geometry.ts';

/** Where a table comes from. */
type Origin = typeof OLD | typeof SPLIT | typeof EMPTY;
/** It existed before the operation: changes go to the journal. */
const OLD = 1;
/** The operation has split a large page into it: no journal, but its entries have content. */
const SPLIT = 2;
/** The operation has created it: no journal, and every entry is zero or written already. */
const EMPTY = 3;
/** There is no table to go down to: the large page has the attributes already. */
const NOTHING_TO_DO = 0;

/** A copy of the imported constant, which V8 would read anew for every page. */
const PRIVATE: number = PRIVATE_ATTRIBUTES;

/** Distinguishes cache types (bits 4:0) and read-protect, execute-protect and read-only (bits 13, 14, 17). */
const TEMPLATE_SLOTS = 32;

/**
 * Maps page runs to the frames of the same number. Large pages are used wherever a whole entry is covered; a
 * large page of which only a part is covered is split unless it has the attributes already.
 */
export class RegionMapper {
  readonly #context: TableContext;
  readonly #walk: PageWalk;
  /** Templates of attribute words used before, by a hash of the word. */
  readonly #templates: (LeafTemplate | undefined)[] = new Array(TEMPLATE_SLOTS).fill(undefined);
  /** What is being mapped. */
  #template: LeafTemplate;

  constructor(context: TableContext) {
    this.#context = context;
    this.#walk = new PageWalk(walkedTables(context));
    this.#template = this.#templateFor(0);
  }

  /** Maps `count` pages from `page` on. */
  map(page: number, count: number, attributes: MemoryAttributeBits): void {
    const { rootFrame, rootLevel } = this.#context;
    this.#template = this.#templateFor(attributes & ~PRIVATE_ATTRIBUTES);
    this.#mapTable(rootFrame, rootLevel, page, page + count, OLD);
  }

  /**
   * Maps one page, given as {@link PageWalk.find} takes it, if its last-level table is there.
   * @returns false if nothing was done, because more is needed than one store
   */
  mapPage(upper: number, lower: number, attributes: MemoryAttributeBits): boolean {
    const template = this.#templateFor(attributes & ~PRIVATE);
    if (template.refusal !== undefined) return false;
    const at = this.#walk.find(upper, lower);
    if (at < 0) return false;
    const words = this.#walk.words;
    const frameLow = (upper << 30) | (lower << 12);
    const frameHigh = (upper >>> 2) & 0xf_ffff;
    words[at] = ((words[at] as number) & template.keepLow) | template.pageLow | frameLow;
    words[at + 1] = ((words[at + 1] as number) & template.keepHigh) | template.setHigh | frameHigh;
    return true;
  }

  /**
   * Replaces a large page by a table of smaller pages with the same attributes and output addresses. Software
   * bits and A/D of the large page stay in the table entry, as patina-paging has it.
   * @param isOld whether the table in which the entry is existed before the operation
   */
  split(words: Uint32Array, at: number, level: number, page: number, isOld: boolean): void {
    const { format, frames, tables } = this.#context;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    const attributes = format.leafAttributes(low, high, 0);
    const firstFrame = firstEntryPage(entryFrame(format, low, high), level);
    const child = frames.take(false);
    this.#link(words, at, child, isOld);
    const template = format.leafTemplate(attributes);
    if (template.refusal !== undefined) throw refused(template, page);
    const start = tables.locate(child);
    this.#fill(template, tables.words, start, level - 1, 0, ENTRIES, firstFrame, EMPTY);
  }

  /** Maps a run of pages that lies within one table, going down as long as it lies within one entry. */
  #mapTable(tableFrame: number, tableLevel: number, page: number, end: number, tableOrigin: Origin): void {
    const { format, tables } = this.#context;
    let frame = tableFrame;
    let origin = tableOrigin;
    for (let level = tableLevel; level > 1; level--) {
      const start = tables.locate(frame);
      const words = tables.words;
      if (
        end > nextEntryPage(page, level) ||
        (level <= HIGHEST_LEAF_LEVEL && end - page === pagesPerEntry(level))
      ) {
        this.#mapEntries(words, start, level, page, end, origin);
        return;
      }
      const at = start + entryIndex(page, level) * WORDS_PER_ENTRY;
      const below = this.#enter(words, at, level, page, origin);
      if (below === NOTHING_TO_DO) return;
      origin = below;
      frame = entryFrame(format, words[at] as number, words[at + 1] as number);
    }
    const start = tables.locate(frame);
    this.#mapWhole(tables.words, start, 1, page, end - page, origin);
  }

  /** Maps a run of pages that covers several entries of a table above level 1, or one of them wholly. */
  #mapEntries(
    words: Uint32Array,
    start: number,
    level: number,
    firstPage: number,
    end: number,
    origin: Origin,
  ): void {
    const { format } = this.#context;
    const pages = pagesPerEntry(level);
    let page = firstPage;
    while (page < end) {
      const boundary = nextEntryPage(page, level);
      if (level <= HIGHEST_LEAF_LEVEL && boundary - page === pages && boundary <= end) {
        const count = Math.floor((end - page) / pages);
        this.#mapWhole(words, start, level, page, count, origin);
        page += count * pages;
        continue;
      }
      const stop = boundary < end ? boundary : end;
      const at = start + entryIndex(page, level) * WORDS_PER_ENTRY;
      const below = this.#enter(words, at, level, page, origin);
      if (below !== NOTHING_TO_DO) {
        const frame = entryFrame(format, words[at] as number, words[at + 1] as number);
        this.#mapTable(frame, level - 1, page, stop, below);
      }
      page = stop;
    }
  }

  #templateFor(attributes: MemoryAttributeBits): LeafTemplate {
    const slot = (attributes ^ (attributes >>> 13)) & (TEMPLATE_SLOTS - 1);
    const known = this.#templates[slot];
    if (known !== undefined && known.attributes === attributes) return known;
    const template = this.#context.format.leafTemplate(attributes);
    this.#templates[slot] = template;
    return template;
  }

  /** Makes an entry of which a part is to be mapped lead to a table. */
  #enter(
    words: Uint32Array,
    at: number,
    level: number,
    page: number,
    origin: Origin,
  ): Origin | typeof NOTHING_TO_DO {
    const { format, frames } = this.#context;
    const low = words[at] as number;
    if ((low & format.present) === 0) {
      this.#link(words, at, frames.take(false), origin === OLD);
      return EMPTY;
    }
    if (level > HIGHEST_LEAF_LEVEL || (low & format.leafMask) !== format.leafValue) return OLD;
    if (format.leafAttributes(low, words[at + 1] as number, 0) === this.#template.attributes)
      return NOTHING_TO_DO;
    this.split(words, at, level, page, origin === OLD);
    return SPLIT;
  }

  #link(words: Uint32Array, at: number, frame: number, isOld: boolean): void {
    const { atomic, format, journal } = this.#context;
    if (isOld && atomic) journal.save(words, at, WORDS_PER_ENTRY);
    linkTable(format, words, at, frame);
  }

  /** Maps `count` whole entries of a table, whatever they are now. */
  #mapWhole(
    words: Uint32Array,
    start: number,
    level: number,
    page: number,
    count: number,
    origin: Origin,
  ): void {
    const template = this.#template;
    if (template.refusal !== undefined) throw refused(template, page);
    const index = entryIndex(page, level);
    if (origin === OLD && this.#context.atomic) {
      this.#context.journal.save(words, start + index * WORDS_PER_ENTRY, count * WORDS_PER_ENTRY);
    }
    this.#fill(template, words, start, level, index, count, page, origin);
  }

  /** Writes `count` leaves that map to consecutive frames. */
  #fill(
    template: LeafTemplate,
    words: Uint32Array,
    start: number,
    level: number,
    index: number,
    count: number,
    frame: number,
    origin: Origin,
  ): void {
    const at = start + index * WORDS_PER_ENTRY;
    fillEntries(
      words,
      at,
      at + count * WORDS_PER_ENTRY,
      (level === 1 ? template.pageLow : template.largeLow) | addressLow(frame),
      template.setHigh | addressHigh(frame),
      pagesPerEntry(level) * FRAME_SIZE,
      origin === EMPTY ? 0 : template.keepLow,
      origin === EMPTY ? 0 : template.keepHigh,
    );
  }
}

function refused({ attributes, refusal }: LeafTemplate, page: number): PageTableError {
  const names = memoryAttributeNames(attributes).join(', ') || 'none';
  return new PageTableError(
    'IncompatibleMemoryAttributes',
    `page ${hex(addressOfPage(page))} cannot have the attributes ${hex(attributes)} (${names}): ${refusal}`,
  );
}

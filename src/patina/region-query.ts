import { addressOfPage, hex } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import { NO_ENTRY, PageWalk } from '../memory/page-walk.ts';
import type { MemoryAttributeBits } from '../memory-attributes.ts';
import { PRIVATE_ATTRIBUTES } from './entry-format.ts';
import { entryFrame } from './entry-words.ts';
import { type TableContext, walkedTables } from './table-context.ts';
import { entryIndex, HIGHEST_LEAF_LEVEL, nextEntryPage, WORDS_PER_ENTRY } from './table-geometry.ts';

/** What the entries seen so far have in common. */
type Seen = typeof NOTHING | typeof UNMAPPED | typeof MAPPED;
const NOTHING = 0;
const UNMAPPED = 1;
const MAPPED = 2;

/** Asks page runs for the attributes that all their pages share. */
export class RegionQuery {
  readonly #context: TableContext;
  readonly #walk: PageWalk;
  #seen: Seen = NOTHING;
  #attributes: MemoryAttributeBits = 0;

  /** Bits of a last-level entry that decide what it says, P among them. */
  readonly #decidingLow: number = 0;
  readonly #decidingHigh: number = 0;
  /** The page decoded last: its deciding bits, what the entries above it had in common, and what came of it. */
  #decodedLow = 0;
  #decodedHigh = 0;
  #decodedCommon = 0;
  #decodedAny = 0;
  #decoded: MemoryAttributeBits = NO_ENTRY;

  constructor(context: TableContext) {
    const { present, attributesLow, attributesHigh } = context.format;
    this.#context = context;
    this.#decidingLow = present | attributesLow;
    this.#decidingHigh = attributesHigh | 0;
    this.#walk = new PageWalk(walkedTables(context));
  }

  /**
   * The attributes of `count` pages from `page` on.
   * @param unmappedBehind whether the range goes on behind them with addresses that these tables do not translate
   * @throws PageTableError NoMapping if no page is mapped, InconsistentMappingAcrossRange if only some are,
   *   NonUniformMemoryAttributes if they differ, TableOutsideMemory
   */
  query(page: number, count: number, unmappedBehind: boolean): MemoryAttributeBits {
    const { rootFrame, rootLevel } = this.#context;
    this.#seen = NOTHING;
    this.#queryTable(rootFrame, rootLevel, page, page + count, 0);
    if (unmappedBehind) this.#see(0, 0, 0, page + count);
    if ((this.#seen as Seen) !== MAPPED) {
      throw new PageTableError('NoMapping', `nothing is mapped from ${hex(addressOfPage(page))} on`);
    }
    return this.#attributes & ~PRIVATE_ATTRIBUTES;
  }

  /**
   * The attributes of one page, given as {@link PageWalk.find} takes it, or {@link NO_ENTRY} if it has no present
   * last-level entry.
   */
  queryPage(upper: number, lower: number): MemoryAttributeBits {
    const walk = this.#walk;
    const at = walk.find(upper, lower);
    if (at < 0) return NO_ENTRY;
    const low = walk.words[at] as number;
    const high = walk.words[at + 1] as number;
    if (
      (low & this.#decidingLow) === this.#decodedLow &&
      (high & this.#decidingHigh) === this.#decodedHigh &&
      walk.commonLow === this.#decodedCommon &&
      walk.anyHigh === this.#decodedAny
    ) {
      return this.#decoded;
    }
    return this.#decodePage(low, high);
  }

  /** Decodes a last-level entry, and keeps the result with all that it follows from. */
  #decodePage(low: number, high: number): MemoryAttributeBits {
    const { format } = this.#context;
    if ((low & format.present) === 0) return NO_ENTRY;
    const { commonLow, anyHigh } = this.#walk;
    const inherited = format.tableRestrictions(commonLow, anyHigh);
    this.#decoded = format.leafAttributes(low, high, inherited) & ~PRIVATE_ATTRIBUTES;
    this.#decodedLow = low & this.#decidingLow;
    this.#decodedHigh = high & this.#decidingHigh;
    this.#decodedCommon = commonLow;
    this.#decodedAny = anyHigh;
    return this.#decoded;
  }

  #queryTable(
    frame: number,
    level: number,
    firstPage: number,
    end: number,
    inherited: MemoryAttributeBits,
  ): void {
    const { format, tables } = this.#context;
    const start = tables.locate(frame);
    const words = tables.words;
    let at = start + entryIndex(firstPage, level) * WORDS_PER_ENTRY;
    if (level === 1) {
      this.#queryPages(words, at, firstPage, end - firstPage, inherited);
      return;
    }
    for (let page = firstPage; page < end; at += WORDS_PER_ENTRY) {
      const low = words[at] as number;
      const high = words[at + 1] as number;
      const boundary = nextEntryPage(page, level);
      const stop = boundary < end ? boundary : end;
      if (
        (low & format.present) === 0 ||
        (level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue)
      ) {
        this.#see(low, high, inherited, page);
      } else {
        const below = inherited | format.tableRestrictions(low, high);
        this.#queryTable(entryFrame(format, low, high), level - 1, page, stop, below);
      }
      page = stop;
    }
  }

  /** Looks at `count` entries of a last-level table; those that agree with the one before need no decoding. */
  #queryPages(
    words: Uint32Array,
    start: number,
    firstPage: number,
    count: number,
    inherited: MemoryAttributeBits,
  ): void {
    const { present, attributesLow, attributesHigh } = this.#context.format;
    const end = start + count * WORDS_PER_ENTRY;
    let at = start;
    while (at < end) {
      const low = words[at] as number;
      const high = words[at + 1] as number;
      this.#see(low, high, inherited, firstPage + (at - start) / WORDS_PER_ENTRY);
      const mapped = (low & present) !== 0;
      const maskLow = mapped ? present | attributesLow : present;
      const maskHigh = mapped ? attributesHigh : 0;
      at += WORDS_PER_ENTRY;
      while (
        at < end &&
        (((words[at] as number) ^ low) & maskLow) === 0 &&
        (((words[at + 1] as number) ^ high) & maskHigh) === 0
      ) {
        at += WORDS_PER_ENTRY;
      }
    }
  }

  /** Takes in an entry that is not present, or a leaf. */
  #see(low: number, high: number, inherited: MemoryAttributeBits, page: number): void {
    const { format } = this.#context;
    const mapped = (low & format.present) !== 0;
    if (this.#seen !== NOTHING && (this.#seen === MAPPED) !== mapped) {
      const [before, here] = mapped ? ['unmapped', 'mapped'] : ['mapped', 'unmapped'];
      throw new PageTableError(
        'InconsistentMappingAcrossRange',
        `the range is ${before} up to ${hex(addressOfPage(page))} and ${here} there`,
      );
    }
    if (!mapped) {
      this.#seen = UNMAPPED;
      return;
    }
    const attributes = format.leafAttributes(low, high, inherited);
    if (this.#seen === MAPPED && attributes !== this.#attributes) {
      const [before, here] = [this.#attributes, attributes].map((value) => hex(value & ~PRIVATE_ATTRIBUTES));
      throw new PageTableError(
        'NonUniformMemoryAttributes',
        `the range has the attributes ${before} up to ${hex(addressOfPage(page))} and ${here} there`,
      );
    }
    this.#seen = MAPPED;
    this.#attributes = attributes;
  }
}

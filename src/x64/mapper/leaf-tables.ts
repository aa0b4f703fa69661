import { frameOfEntry, WORDS_PER_FRAME } from '../../addresses.ts';
import { NO_ENTRY, type PageWalk } from '../../memory/page-walk.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { EntryHigh, EntryLow } from '../entry-bits.ts';

/** Constants of this module compile to immediate operands; what is imported is loaded and checked each time. */
const NOTHING = NO_ENTRY;
const PRESENT = EntryLow.Present | 0;
const PAGE_SIZE = EntryLow.PageSize | 0;
const ADDRESS_HIGH = EntryHigh.Address | 0;
const PAGES_PER_TABLE = 512;
const BYTES_PER_TABLE = 2 ** 21;
const PAGES_PER_PML4E = 2 ** 27;
const PER_PML4E = 2 ** -27;
const IN_PML4E = PAGES_PER_PML4E - 1;
/** Bits 51:27 of a page number, at 24:0: the PML4 entry and what is above it. */
const UPPER_MASK = 0x1ff_ffff;
/** Added to that, bits 24:9 are zero if the page is canonical with four levels. */
const HALF_PML4 = 256;
const BEYOND_PML4 = UPPER_MASK & ~511;
/** First page behind the lower half of 4-level tables. */
const LOWER_HALF_END = 2 ** 35;
/** The first page of no table: every distance from it is NaN. */
const NOWHERE = Number.NaN;

/** One 64-bit entry as double and as words. */
const entry = new Float64Array(1);
const entryWords = new Uint32Array(entry.buffer);

/** Where the tables of a {@link LeafTables} are. */
export interface LeafTablesPlace {
  readonly tables: TableMemory;
  readonly rootFrame: number;
  readonly levels: 4 | 5;
  readonly frameOffset: number;
  /** The general walk to last-level entries. */
  readonly walk: PageWalk;
}

/**
 * Finds the last-level entries of single pages, which is what calls for one page spend their time with. Written for
 * the compiler; {@link PageWalk} says the same for tables of all kinds, and decides whatever is not plain here.
 *
 * The path to the last-level table that two calls have asked for is remembered, and looked at again in each call: it
 * holds if its three entries still are, bit for bit, what they were. So whoever writes the tables, and by
 * whatever way, is seen at once. The entries are compared as doubles, one comparison for 64 bits: that is sound
 * because no two different entries that lead to tables are equal as doubles (an entry with P is no zero; one that
 * is NaN equals nothing, itself included, and is walked through each time). Most entries are denormal; where a
 * native library has made the processor take those for zero, no path holds.
 *
 * Fields are small integers from the first assignment on, by `| 0`: otherwise V8 computes in doubles. They are private
 * by TypeScript and not by `#`, which takes twice the bytecode: V8 inlines up to a number of bytes, and these functions
 * cost half when they are inlined.
 */
export class LeafTables {
  /** The array in which the found entry is. */
  words: Uint32Array;
  /** Bits that all entries above the found one have, in the low word. */
  commonLow = 0;
  /** Bits that any of them has, in the high word. */
  anyHigh = 0;

  /** First page of the remembered table, and its address if it is in the lower half. */
  private firstPage: number = NOWHERE;
  private firstByte: number = NOWHERE;
  private start = 0;
  /** The entries above it: their places in {@link entries} and what they held. */
  private at4 = 0;
  private at3 = 0;
  private at2 = 0;
  private entry4 = 0.5;
  private entry3 = 0.5;
  private entry2 = 0.5;
  /** The smallest denormal number, in a field because a constant would be compared when compiling. */
  private readonly tiny: number = Number.MIN_VALUE;
  /** Whether a path is remembered or {@link words} is not the root's array. */
  private special = false;
  /** Bits 26:9 of the page that was walked to last: a table is remembered when it is asked for a second time. */
  private lastWalked = -1;

  /** The part of memory in which paths are remembered, as words and as entries. */
  private readonly rootWords: Uint32Array;
  private readonly entries: Float64Array;
  private readonly rootStart: number = 0;
  /** Bits 39:20 of the frame numbers there, bits 19:0 of the first of them, and how many there are. */
  private readonly firstHigh: number = 0;
  private readonly firstLow: number = 0;
  private readonly frameCount: number = 0;
  /** First address behind the lower half, as far as numbers are exact. */
  private readonly lowerHalfEnd: number = 0.5;
  private readonly levels: number = 0;
  private readonly walk: PageWalk;

  /** @throws PageTableError TableOutsideMemory if the root is not in memory */
  constructor({ tables, rootFrame, levels, frameOffset, walk }: LeafTablesPlace) {
    const { words, firstFrame } = tables.around(rootFrame, frameOffset);
    this.words = words;
    this.walk = walk;
    this.levels = levels;
    this.rootWords = words;
    this.entries =
      words.byteOffset % 8 === 0
        ? new Float64Array(words.buffer, words.byteOffset, words.length / 2)
        : new Float64Array(0);
    this.rootStart = ((rootFrame - firstFrame) * WORDS_PER_FRAME) | 0;
    this.firstHigh = (firstFrame / 2 ** 20) | 0;
    this.firstLow = (firstFrame % 2 ** 20) | 0;
    this.frameCount = levels === 4 ? (words.length / WORDS_PER_FRAME) | 0 : 0;
    this.lowerHalfEnd = levels === 4 ? 2 ** 47 : 2 ** 53;
  }

  /**
   * @param page a 4 KiB page number, sign-extended
   * @returns the index in {@link words} of the page's last-level entry, present or not; {@link NO_ENTRY} if there is
   *   no last-level table, the page belongs to a large page, or it is no page
   * @throws PageTableError TableOutsideMemory
   */
  entryOfPage(page: number): number {
    const distance = page - this.firstPage;
    const index = distance | 0;
    if (index === distance && index >>> 0 < PAGES_PER_TABLE && this.holds()) return this.start | (index << 1);
    const upper = (page * PER_PML4E) & UPPER_MASK;
    const lower = page & IN_PML4E;
    return upper * PAGES_PER_PML4E + lower === page ? this.walkTo(upper, lower) : NOTHING;
  }

  /**
   * {@link entryOfPage} of the page that contains an address.
   * @returns {@link NO_ENTRY} also for an address of the upper half or one that is no safe integer
   */
  entryOfAddress(address: number): number {
    const distance = address - this.firstByte;
    const byte = distance | 0;
    if (byte === distance && byte >>> 0 < BYTES_PER_TABLE && this.holds()) {
      return this.start | ((byte >>> 11) & 0x3fe);
    }
    const page = (address - (address & 0xfff)) * 2 ** -12;
    const upper = (page * PER_PML4E) & UPPER_MASK;
    const lower = page & IN_PML4E;
    const exact = upper * PAGES_PER_PML4E + lower === page && address < this.lowerHalfEnd;
    return exact ? this.walkTo(upper, lower) : NOTHING;
  }

  /** Whether the remembered table is still reached by the path by which it was found. */
  private holds(): boolean {
    const { entries } = this;
    return (
      entries[this.at2] === this.entry2 &&
      entries[this.at3] === this.entry3 &&
      entries[this.at4] === this.entry4 &&
      this.tiny > 0
    );
  }

  /**
   * Goes down from entry to entry without looking whether they lead to tables, as long as what they name lies in the
   * array, and looks at them all at the end: so there are few branches, and the processor can begin with the next page.
   */
  private walkTo(upper: number, lower: number): number {
    const { rootWords: words, firstHigh, firstLow, frameCount } = this;

    const at4 = this.rootStart | ((upper & 511) << 1);
    const low4 = words[at4] as number;
    const high4 = words[at4 | 1] as number;
    const frame4 = ((low4 >>> 12) - firstLow) | 0;
    if (frame4 >>> 0 >= frameCount) return this.walkElsewhere(upper, lower);

    const at3 = (frame4 << 10) | ((lower >>> 17) & 0x3fe);
    const low3 = words[at3] as number;
    const high3 = words[at3 | 1] as number;
    const frame3 = ((low3 >>> 12) - firstLow) | 0;
    if (frame3 >>> 0 >= frameCount) return this.walkElsewhere(upper, lower);

    const at2 = (frame3 << 10) | ((lower >>> 8) & 0x3fe);
    const low2 = words[at2] as number;
    const high2 = words[at2 | 1] as number;
    const frame2 = ((low2 >>> 12) - firstLow) | 0;
    if (frame2 >>> 0 >= frameCount) return this.walkElsewhere(upper, lower);

    const common = low4 & low3 & low2;
    const unlike =
      (~common & PRESENT) |
      ((low4 | low3 | low2) & PAGE_SIZE) |
      (((high4 ^ firstHigh) | (high3 ^ firstHigh) | (high2 ^ firstHigh)) & ADDRESS_HIGH) |
      ((upper + HALF_PML4) & BEYOND_PML4);
    if (unlike !== 0) return this.walkElsewhere(upper, lower);

    this.commonLow = common;
    this.anyHigh = high4 | high3 | high2;
    if (this.special) this.forget();
    if (lower >>> 9 === this.lastWalked) this.remember(upper * PAGES_PER_PML4E + lower, at4, at3, at2);
    this.lastWalked = lower >>> 9;
    return (frame2 << 10) | ((lower & 511) << 1);
  }

  /** Tables of five levels, and whatever else the quick walk does not know. */
  private walkElsewhere(upper: number, lower: number): number {
    const half = this.levels === 4 ? HALF_PML4 : HALF_PML4 * 512;
    if (upper >= half && upper <= UPPER_MASK - half) return NOTHING;
    this.forget();
    const { walk } = this;
    const at = walk.find(((upper & 0x3_ffff) << 9) | (lower >>> 18), lower & 0x3_ffff);
    this.words = walk.words;
    this.commonLow = walk.commonLow;
    this.anyHigh = walk.anyHigh;
    this.special = true;
    return at;
  }

  private forget(): void {
    this.words = this.rootWords;
    this.special = false;
    this.firstPage = NOWHERE;
    this.firstByte = NOWHERE;
  }

  /**
   * Remembers the path to a page's table. A guest may write the tables meanwhile: each entry is read once, as a
   * whole, and what is remembered of the path is what these values say.
   */
  private remember(page: number, at4: number, at3: number, at2: number): void {
    const { entries } = this;
    if (entries.length === 0) return;
    const [four, three, two] = [at4 >> 1, at3 >> 1, at2 >> 1].map((at) => this.follow(at));
    if (four === undefined || three === undefined || two === undefined) return;
    if (four.table !== at3 >> 10 || three.table !== at2 >> 10 || two.table < 0) return;
    this.at4 = four.at;
    this.at3 = three.at;
    this.at2 = two.at;
    this.entry4 = four.value;
    this.entry3 = three.value;
    this.entry2 = two.value;
    this.start = two.table << 10;
    this.commonLow = four.low & three.low & two.low;
    this.anyHigh = four.high | three.high | two.high;
    this.firstPage = page - (page & (PAGES_PER_TABLE - 1));
    this.firstByte = page < LOWER_HALF_END ? this.firstPage * 2 ** 12 : NOWHERE;
    this.special = true;
  }

  /** An entry, and the table it leads to, counted from the first frame of the array; negative if none. */
  private follow(at: number) {
    const value = this.entries[at] as number;
    entry[0] = value;
    const low = entryWords[0] as number;
    const high = entryWords[1] as number;
    const table = frameOfEntry(low, high) - this.firstHigh * 2 ** 20 - this.firstLow;
    const leads = (low & (PRESENT | PAGE_SIZE)) === PRESENT && table < this.frameCount;
    return { at, value, low, high, table: leads ? table : -1 };
  }
}

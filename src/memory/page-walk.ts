import { frameOfEntry, WORDS_PER_FRAME } from '../addresses.ts';
import type { TableMemory } from './table-memory.ts';

/** Tables with four or five levels of 512 entries, as a {@link PageWalk} sees them. Masks are for the low word. */
export interface WalkedTables {
  readonly tables: TableMemory;
  /** Frame number that leads to the top-level table. */
  readonly rootFrame: number;
  readonly levels: number;
  /** Frames between the number by which an entry names a table and the table's place in memory. */
  readonly frameOffset: number;
  /** At levels 4 and 5 an entry leads to a table if `(low & upperMask) === upperValue`. */
  readonly upperMask: number;
  readonly upperValue: number;
  /** At levels 2 and 3 an entry leads to a table if `(low & tableMask) === tableValue`. */
  readonly tableMask: number;
  readonly tableValue: number;
  /** Bits of the high word that belong to the address. */
  readonly addressHigh: number;
}

/** What {@link PageWalk.find} returns where the page has no last-level entry; no index is negative. */
export const NO_ENTRY = -1;

/**
 * Walks to the last-level entry of one page. Operations on single pages spend their time here; nothing is remembered
 * from one walk to the next.
 *
 * {@link PageWalk.find} is written for the compiler, {@link PageWalk.#walk} says the same plainly: bits 44:18 of a page
 * number choose the entries of levels 5 to 3, bits 17:0 those of levels 2 and 1. The quick walk takes tables that lie
 * in one array with the root, as nearly all do. It goes down from entry to entry without looking whether they lead to
 * tables, as long as what they name lies in the array, and looks at them all at the end: so there are few branches,
 * and the processor can begin with the next page. Where it finds anything else than tables the plain walk decides.
 *
 * Fields are small integers from the first assignment on, by `| 0` also where they are computed: otherwise V8 computes in
 * doubles and checks each field's type each time, which takes twice as long.
 */
export class PageWalk {
  /** The array in which the found entry is. */
  words: Uint32Array;
  /** Bits that all entries above the found one have, in the low word. */
  commonLow = 0;
  /** Bits that any of them has, in the high word. */
  anyHigh = 0;

  readonly #walked: WalkedTables;
  readonly #levels: number = 0;
  readonly #upperMask: number = 0;
  readonly #upperValue: number = 0;
  readonly #tableMask: number = 0;
  readonly #tableValue: number = 0;
  readonly #addressHigh: number = 0;

  /** The part of memory in which the quick walk stays, and the root's place in it. */
  readonly #rootWords: Uint32Array;
  readonly #rootStart: number = 0;
  /** Bits 39:20 of the frame numbers there, bits 19:0 of the first of them, and how many there are. */
  readonly #firstHigh: number = 0;
  readonly #firstLow: number = 0;
  readonly #frameCount: number = 0;

  /** @throws PageTableError TableOutsideMemory if the root is not in memory */
  constructor(walked: WalkedTables) {
    const { tables, rootFrame, frameOffset } = walked;
    this.#walked = walked;
    this.#levels = walked.levels;
    this.#upperMask = walked.upperMask;
    this.#upperValue = walked.upperValue;
    this.#tableMask = walked.tableMask;
    this.#tableValue = walked.tableValue;
    this.#addressHigh = walked.addressHigh;
    const { words, firstFrame } = tables.around(rootFrame, frameOffset);
    this.words = words;
    this.#rootWords = words;
    this.#rootStart = ((rootFrame - firstFrame) * WORDS_PER_FRAME) | 0;
    this.#firstHigh = (firstFrame / 2 ** 20) | 0;
    this.#firstLow = (firstFrame % 2 ** 20) | 0;
    this.#frameCount = (words.length / WORDS_PER_FRAME) | 0;
  }

  /**
   * @param upper bits 44:18 of the page number, see {@link upperBits}
   * @param lower bits 17:0 of it, see {@link lowerBits}
   * @returns the index in {@link words} of the page's last-level entry, present or not; {@link NO_ENTRY} if there is
   *   no last-level table or the page belongs to a large page
   * @throws PageTableError TableOutsideMemory
   */
  find(upper: number, lower: number): number {
    const words = this.#rootWords;
    const firstHigh = this.#firstHigh;
    const firstLow = this.#firstLow;
    const frameCount = this.#frameCount;
    const upperValue = this.#upperValue;
    let start = this.#rootStart;
    let commonLow = -1;
    let anyHigh = 0;
    let unlikeUpper = 0;
    let unlikeHigh = 0;

    if (this.#levels === 5) {
      const at = start | ((upper >>> 18) << 1);
      const low = words[at] as number;
      const high = words[at | 1] as number;
      const frame = ((low >>> 12) - firstLow) | 0;
      if (frame >>> 0 >= frameCount) return this.#walk(upper, lower);
      commonLow = low | 0;
      anyHigh = high | 0;
      unlikeUpper = low ^ upperValue;
      unlikeHigh = high ^ firstHigh;
      start = frame << 10;
    }

    const at4 = start | (((upper >>> 9) & 511) << 1);
    const low4 = words[at4] as number;
    const high4 = words[at4 | 1] as number;
    const frame4 = ((low4 >>> 12) - firstLow) | 0;
    if (frame4 >>> 0 >= frameCount) return this.#walk(upper, lower);

    const at3 = (frame4 << 10) | ((upper & 511) << 1);
    const low3 = words[at3] as number;
    const high3 = words[at3 | 1] as number;
    const frame3 = ((low3 >>> 12) - firstLow) | 0;
    if (frame3 >>> 0 >= frameCount) return this.#walk(upper, lower);

    const at2 = (frame3 << 10) | ((lower >>> 9) << 1);
    const low2 = words[at2] as number;
    const high2 = words[at2 | 1] as number;
    const frame2 = ((low2 >>> 12) - firstLow) | 0;
    if (frame2 >>> 0 >= frameCount) return this.#walk(upper, lower);

    const tableValue = this.#tableValue;
    const unlike =
      ((unlikeUpper | (low4 ^ upperValue)) & this.#upperMask) |
      (((low3 ^ tableValue) | (low2 ^ tableValue)) & this.#tableMask) |
      ((unlikeHigh | (high4 ^ firstHigh) | (high3 ^ firstHigh) | (high2 ^ firstHigh)) & this.#addressHigh);
    if (unlike !== 0) return this.#walk(upper, lower);

    if (this.words !== words) this.words = words;
    this.commonLow = commonLow & low4 & low3 & low2;
    this.anyHigh = anyHigh | high4 | high3 | high2;
    return (frame2 << 10) | ((lower & 511) << 1);
  }

  /** {@link find} for tables anywhere in memory. */
  #walk(upper: number, lower: number): number {
    const { tables, rootFrame, frameOffset, upperMask, upperValue, tableMask, tableValue, levels } =
      this.#walked;
    let commonLow = -1;
    let anyHigh = 0;
    let start = tables.locate(rootFrame + frameOffset);
    for (let level = levels; level > 1; level--) {
      const index = level === 2 ? lower >>> 9 : (upper >>> (9 * (level - 3))) & 511;
      const at = start + index * 2;
      const low = tables.words[at] as number;
      const high = tables.words[at + 1] as number;
      const leads = level > 3 ? (low & upperMask) === upperValue : (low & tableMask) === tableValue;
      if (!leads) return NO_ENTRY;
      commonLow &= low;
      anyHigh |= high;
      start = tables.locate(frameOfEntry(low, high & this.#addressHigh) + frameOffset);
    }
    this.words = tables.words;
    this.commonLow = commonLow;
    this.anyHigh = anyHigh;
    return start + (lower & 511) * 2;
  }
}

/** Bits 44:18 of the number of the page at an address. */
export function upperBits(address: number): number {
  return (address * 2 ** -30) & 0x7ff_ffff;
}

/** Bits 17:0 of the number of the page at an address. */
export function lowerBits(address: number): number {
  return (address * 2 ** -12) & 0x3_ffff;
}

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

/** What {@link PageWalk.find} returns where the page has no last-level entry. */
export const NO_ENTRY = -1;

/**
 * Walks to the last-level entry of one page. Operations on single pages spend their time here, so the walk is
 * written out level by level in 32-bit arithmetic, on fields of this object alone: bits 44:18 of a page number choose
 * the entries of levels 5 to 3, bits 17:0 those of levels 2 and 1. Nothing is remembered from one walk to the next.
 *
 * The quick walk takes tables that lie in one array with the root, as nearly all do; {@link PageWalk.#walk} is the
 * plain form of it, for tables anywhere.
 */
export class PageWalk {
  /** The array in which the found entry is. */
  words: Uint32Array;
  /** Bits that all entries above the found one have, in the low word. */
  commonLow = 0;
  /** Bits that any of them has, in the high word. */
  anyHigh = 0;

  readonly #walked: WalkedTables;
  readonly #fiveLevels: boolean;
  readonly #upperMask: number;
  readonly #upperValue: number;
  readonly #tableMask: number;
  readonly #tableValue: number;
  readonly #addressHigh: number;

  /** The part of memory in which the quick walk stays, and the root's place in it. */
  readonly #rootWords: Uint32Array;
  readonly #rootStart: number;
  /** Bits 39:20 of the frame numbers there, bits 19:0 of the first of them, and how many there are. */
  readonly #firstHigh: number;
  readonly #firstLow: number;
  readonly #frameCount: number;

  /** @throws PageTableError TableOutsideMemory if the root is not in memory */
  constructor(walked: WalkedTables) {
    const { tables, rootFrame, frameOffset } = walked;
    this.#walked = walked;
    this.#fiveLevels = walked.levels === 5;
    this.#upperMask = walked.upperMask;
    this.#upperValue = walked.upperValue;
    this.#tableMask = walked.tableMask;
    this.#tableValue = walked.tableValue;
    this.#addressHigh = walked.addressHigh;
    const { words, firstFrame } = tables.around(rootFrame, frameOffset);
    this.words = words;
    this.#rootWords = words;
    this.#rootStart = (rootFrame - firstFrame) * WORDS_PER_FRAME;
    this.#firstHigh = Math.floor(firstFrame / 2 ** 20);
    this.#firstLow = firstFrame % 2 ** 20;
    this.#frameCount = words.length / WORDS_PER_FRAME;
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
    const upperMask = this.#upperMask;
    const upperValue = this.#upperValue;
    const addressHigh = this.#addressHigh;
    const firstHigh = this.#firstHigh;
    const firstLow = this.#firstLow;
    const frameCount = this.#frameCount;
    let start = this.#rootStart;
    let commonLow = -1;
    let anyHigh = 0;

    if (this.#fiveLevels) {
      const at = start + ((upper >>> 18) << 1);
      commonLow = words[at] as number;
      anyHigh = words[at + 1] as number;
      if ((commonLow & upperMask) !== upperValue) return NO_ENTRY;
      const frame = ((commonLow >>> 12) - firstLow) >>> 0;
      if (frame >= frameCount || (anyHigh & addressHigh) !== firstHigh) return this.#walk(upper, lower);
      start = frame << 10;
    }

    const at4 = start + (((upper >>> 9) & 511) << 1);
    const low4 = words[at4] as number;
    const high4 = words[at4 + 1] as number;
    if ((low4 & upperMask) !== upperValue) return NO_ENTRY;
    const frame4 = ((low4 >>> 12) - firstLow) >>> 0;
    if (frame4 >= frameCount || (high4 & addressHigh) !== firstHigh) return this.#walk(upper, lower);

    const mask = this.#tableMask;
    const value = this.#tableValue;
    const at3 = (frame4 << 10) + ((upper & 511) << 1);
    const low3 = words[at3] as number;
    const high3 = words[at3 + 1] as number;
    if ((low3 & mask) !== value) return NO_ENTRY;
    const frame3 = ((low3 >>> 12) - firstLow) >>> 0;
    if (frame3 >= frameCount || (high3 & addressHigh) !== firstHigh) return this.#walk(upper, lower);

    const at2 = (frame3 << 10) + ((lower >>> 9) << 1);
    const low2 = words[at2] as number;
    const high2 = words[at2 + 1] as number;
    if ((low2 & mask) !== value) return NO_ENTRY;
    const frame2 = ((low2 >>> 12) - firstLow) >>> 0;
    if (frame2 >= frameCount || (high2 & addressHigh) !== firstHigh) return this.#walk(upper, lower);

    if (this.words !== words) this.words = words;
    this.commonLow = commonLow & low4 & low3 & low2;
    this.anyHigh = anyHigh | high4 | high3 | high2;
    return (frame2 << 10) + ((lower & 511) << 1);
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

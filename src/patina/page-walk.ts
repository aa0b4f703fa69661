import type { TableMemory } from '../memory/table-memory.ts';
import type { EntryFormat } from './entry-format.ts';
import type { TableContext } from './table-context.ts';

/** What {@link PageWalk.find} returns where the page has no last-level entry. */
export const NO_ENTRY = -1;

/** An entry on a path: the index of its low word, and the two words. */
interface Step {
  at: number;
  low: number;
  high: number;
}

/**
 * Walks to the last-level entry of one page. Operations on single pages spend their time here, so the walk is
 * written out level by level in 32-bit arithmetic: bits 44:18 of a page number choose the entries of levels 5 to 3,
 * bits 17:0 those of levels 2 and 1.
 *
 * A path that was walked twice in a row is remembered. It is only ever used after its entries have been compared with
 * what is in memory, which is cheaper than a walk because no load waits for another; so it cannot be stale.
 */
export class PageWalk {
  /** The array in which the found entry is. */
  words: Uint32Array;
  /** Bits that all entries above the found one have, in the low word. */
  commonLow = 0;
  /** Bits that any of them has, in the high word. */
  anyHigh = 0;

  readonly #format: EntryFormat;
  readonly #tables: TableMemory;
  readonly #rootWords: Uint32Array;
  readonly #rootStart: number;
  readonly #fiveLevels: boolean;

  /** Bits 44:18 and 17:9 of the page that was walked to last. */
  #lastUpper = NO_ENTRY;
  #lastMiddle = NO_ENTRY;
  /** Whether {@link #steps} lead there, all in {@link words}, and to the table that starts at {@link #start}. */
  #remembered = false;
  #start = 0;
  readonly #level5: Step = { at: 0, low: 0, high: 0 };
  readonly #level4: Step = { at: 0, low: 0, high: 0 };
  readonly #level3: Step = { at: 0, low: 0, high: 0 };
  readonly #level2: Step = { at: 0, low: 0, high: 0 };

  constructor({ format, tables, rootFrame, rootLevel }: TableContext) {
    this.#format = format;
    this.#tables = tables;
    this.#rootStart = tables.locate(rootFrame);
    this.#rootWords = tables.words;
    this.#fiveLevels = rootLevel === 5;
    this.words = this.#rootWords;
  }

  /**
   * @param upper bits 44:18 of the page number, see {@link upperBits}
   * @param lower bits 17:0 of it, see {@link lowerBits}
   * @returns the index in {@link words} of the page's last-level entry, present or not; {@link NO_ENTRY} if there is
   *   no last-level table or the page belongs to a large page
   * @throws PageTableError TableOutsideMemory
   */
  find(upper: number, lower: number): number {
    if (this.#remembered && upper === this.#lastUpper && lower >>> 9 === this.#lastMiddle) {
      const words = this.words;
      if (
        isUnchanged(words, this.#level4) &&
        isUnchanged(words, this.#level3) &&
        isUnchanged(words, this.#level2) &&
        (!this.#fiveLevels || isUnchanged(words, this.#level5))
      ) {
        return this.#start + ((lower & 511) << 1);
      }
    }
    return this.#walk(upper, lower);
  }

  #walk(upper: number, lower: number): number {
    const { present, leafMask, leafValue, addressHigh } = this.#format;
    const tables = this.#tables;
    const middle = lower >>> 9;
    const again = upper === this.#lastUpper && middle === this.#lastMiddle;
    if (this.#remembered) this.#remembered = false;
    let words = this.#rootWords;
    let commonLow = -1;
    let anyHigh = 0;
    let start = this.#rootStart;
    let oneArray = true;

    if (this.#fiveLevels) {
      const at = start + ((upper >>> 18) << 1);
      const low = words[at] as number;
      const high = words[at + 1] as number;
      if ((low & present) === 0) return NO_ENTRY;
      if (again) remember(this.#level5, at, low, high);
      commonLow = low;
      anyHigh = high;
      start = tables.nearby(low >>> 12, high & addressHigh);
      oneArray = words === tables.words;
      words = tables.words;
    }

    const at4 = start + (((upper >>> 9) & 511) << 1);
    const low4 = words[at4] as number;
    const high4 = words[at4 + 1] as number;
    if ((low4 & present) === 0) return NO_ENTRY;
    if (again) remember(this.#level4, at4, low4, high4);
    start = tables.nearby(low4 >>> 12, high4 & addressHigh);
    oneArray = oneArray && words === tables.words;
    words = tables.words;

    const at3 = start + ((upper & 511) << 1);
    const low3 = words[at3] as number;
    const high3 = words[at3 + 1] as number;
    if ((low3 & present) === 0 || (low3 & leafMask) === leafValue) return NO_ENTRY;
    if (again) remember(this.#level3, at3, low3, high3);
    start = tables.nearby(low3 >>> 12, high3 & addressHigh);
    oneArray = oneArray && words === tables.words;
    words = tables.words;

    const at2 = start + (middle << 1);
    const low2 = words[at2] as number;
    const high2 = words[at2 + 1] as number;
    if ((low2 & present) === 0 || (low2 & leafMask) === leafValue) return NO_ENTRY;
    if (again) remember(this.#level2, at2, low2, high2);
    start = tables.nearby(low2 >>> 12, high2 & addressHigh);

    if (again) {
      this.#remembered = oneArray && words === tables.words;
      this.#start = start;
    } else {
      this.#lastUpper = upper;
      this.#lastMiddle = middle;
    }
    if (this.words !== tables.words) this.words = tables.words;
    this.commonLow = commonLow & low4 & low3 & low2;
    this.anyHigh = anyHigh | high4 | high3 | high2;
    return start + ((lower & 511) << 1);
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

function remember(step: Step, at: number, low: number, high: number): void {
  step.at = at;
  step.low = low;
  step.high = high;
}

function isUnchanged(words: Uint32Array, { at, low, high }: Step): boolean {
  return words[at] === low && words[at + 1] === high;
}

import type { EntryFormat } from './entry-format.ts';
import type { TableContext } from './table-context.ts';
import { HIGHEST_LEAF_LEVEL } from './table-geometry.ts';

/** What {@link PageWalk.find} returns where the page has no last-level entry. */
export const NO_ENTRY = -1;

/**
 * Walks to the last-level entry of one page. This is where an operation on a single page spends its time, so
 * everything in it is 32-bit arithmetic: of the page number bits 44:18 choose the entries of levels 5 to 3, bits 17:0
 * those of levels 2 and 1.
 */
export class PageWalk {
  /** The array in which the found entry is. */
  words: Uint32Array;
  /** Bits that all entries above the found one have, in the low word. */
  commonLow = 0;
  /** Bits that any of them has, in the high word. */
  anyHigh = 0;

  readonly #context: TableContext;
  readonly #format: EntryFormat;
  readonly #rootWords: Uint32Array;
  readonly #rootStart: number;
  /** Where in bits 44:18 the index of the root entry is. */
  readonly #rootShift: number;

  constructor(context: TableContext) {
    this.#context = context;
    this.#format = context.format;
    this.#rootStart = context.tables.locate(context.rootFrame);
    this.#rootWords = context.tables.words;
    this.#rootShift = 9 * (context.rootLevel - HIGHEST_LEAF_LEVEL);
    this.words = this.#rootWords;
  }

  /**
   * @returns the index in {@link words} of the page's last-level entry, present or not; {@link NO_ENTRY} if there is
   *   no last-level table or the page belongs to a large page
   * @throws PageTableError TableOutsideMemory
   */
  find(page: number): number {
    const { present, leafMask, leafValue, addressHigh } = this.#format;
    const { tables } = this.#context;
    const upper = (page * 2 ** -18) & 0x7ff_ffff;
    const lower = page & 0x3_ffff;
    let words = this.#rootWords;
    let start = this.#rootStart;
    let commonLow = -1;
    let anyHigh = 0;
    for (let shift = this.#rootShift; shift >= -9; shift -= 9) {
      const index = shift >= 0 ? (upper >>> shift) & 511 : lower >>> 9;
      const at = start + (index << 1);
      const low = words[at] as number;
      const high = words[at + 1] as number;
      if ((low & present) === 0 || (shift <= 0 && (low & leafMask) === leafValue)) return NO_ENTRY;
      commonLow &= low;
      anyHigh |= high;
      start = tables.nearby(low >>> 12, high & addressHigh);
      words = tables.words;
    }
    this.words = words;
    this.commonLow = commonLow;
    this.anyHigh = anyHigh;
    return start + ((lower & 511) << 1);
  }
}

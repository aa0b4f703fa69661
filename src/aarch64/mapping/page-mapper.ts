import { WORDS_PER_FRAME } from '../../addresses.ts';
import { DescriptorHigh } from '../descriptor-bits.ts';
import { breakRun } from './contiguous-hint.ts';
import type { LeafTemplate } from './leaf-template.ts';
import type { MappingContext } from './mapping-context.ts';
import { addressHigh, addressLow, LAST_LEVEL, TYPE_MASK, WORDS } from './table-geometry.ts';

/** Copies of imported constants, which V8 would read anew in every call. */
const TYPE: number = TYPE_MASK;
const ADDRESS_HIGH: number = DescriptorHigh.Address;
const LAST: number = LAST_LEVEL;
const STRIDE: number = WORDS;
/** Of tables of 4 KiB. */
const INDEX_BITS = 9;
const LAST_INDEX = 511;

/** What no flags are: none are mapped quickly. */
const NOTHING = -1;

/** From here on numbers of pages and frames are not small integers in every build of V8. */
const NEAR_PAGES = 2 ** 30;

/**
 * Maps one page at a time with the flags of the last call, in tables that are not in use. Whoever maps single pages
 * spends their time here, so this is written for the compiler; `RangeMapper` says the same plainly, and does what this
 * refuses to do: whatever needs a check, a new table or a record.
 *
 * It takes tables of 4 KiB that lie in one array with the root, as nearly all do, and goes down from entry to entry
 * without looking whether they lead to tables, as long as what they name lies in the array; it looks at them all before
 * the one store. So there are few branches, and the processor can begin with the next page. Arithmetic in doubles would
 * take twice as long: fields are small integers from the first assignment on, and pages that are none have a way of
 * their own.
 */
export class PageMapper {
  readonly #context: MappingContext;
  /** The memory around the root, whose frame numbers agree with the root's in bits 39:20. */
  readonly #words: Uint32Array;
  readonly #rootStart: number = 0;
  /** Position in a page number of the bits that choose an entry of the root. */
  readonly #rootShift: number = 0;
  /** Bits 39:20 of the frame numbers there, bits 19:0 of the first of them, and how many there are. */
  readonly #firstHigh: number = 0;
  readonly #firstLow: number = 0;
  readonly #frameCount: number = 0;
  /** Pages and frames up to here are small integers that can be mapped. */
  readonly #nearPages: number = 0;
  readonly #nearFrames: number = 0;
  /** The flags that are mapped without a check, and the words of their page descriptors without the address. */
  #flags: number = NOTHING;
  #low = 0;
  #high = 0;

  /** @throws PageTableError TableOutsideMemory if the root is not in memory */
  constructor(context: MappingContext) {
    const { firstPage, frameEnd, geometry, rootFrame, rootLevel, tables } = context;
    const { words, firstFrame } = tables.around(rootFrame);
    this.#context = context;
    this.#words = words;
    this.#rootStart = ((rootFrame - firstFrame) * WORDS_PER_FRAME) | 0;
    this.#rootShift = ((LAST - rootLevel) * INDEX_BITS) | 0;
    this.#firstHigh = (firstFrame / 2 ** 20) | 0;
    this.#firstLow = (firstFrame % 2 ** 20) | 0;
    this.#frameCount = (words.length / WORDS_PER_FRAME) | 0;
    this.#nearPages = firstPage === 0 ? Math.min(geometry.pages, NEAR_PAGES) : 0;
    this.#nearFrames = Math.min(frameEnd, NEAR_PAGES);
  }

  /** Maps with these flags, which have been checked, from now on: the tables are not in use, and none is broken. */
  remember(flags: number, template: LeafTemplate): void {
    const { granulePages, rootFrames } = this.#context.geometry;
    if (granulePages !== 1 || rootFrames !== 1 || !template.valid) return;
    this.#flags = flags;
    this.#low = template.pageLow | 0;
    this.#high = template.high | 0;
  }

  /** Maps nothing until {@link remember}. */
  forget(): void {
    this.#flags = NOTHING;
  }

  /**
   * Maps a page to a frame, if all tables above it are there. Nothing can fail behind the single store, so it needs no
   * journal.
   * @param page number of the page, not relative to the first
   * @returns whether it did
   */
  map(page: number, frame: number, flags: number): boolean {
    if (flags !== this.#flags || flags < 0) return false;
    if (page >= this.#nearPages || frame >= this.#nearFrames) return this.#mapFar(page, frame);
    // As #find. V8 compiles nothing into its caller that is much longer than this.
    const words = this.#words;
    const firstHigh = this.#firstHigh;
    const firstLow = this.#firstLow;
    const frameCount = this.#frameCount;
    let table = this.#rootStart;
    let unlikeHigh = 0;
    let commonLow = TYPE;
    for (let shift = this.#rootShift; shift > 0; shift -= INDEX_BITS) {
      const at = table | (((page >>> shift) & LAST_INDEX) << 1);
      const low = words[at] as number;
      const distance = ((low >>> 12) - firstLow) | 0;
      if (distance >>> 0 >= frameCount) return false;
      commonLow &= low;
      unlikeHigh |= (words[at | 1] as number) ^ firstHigh;
      table = distance << 10;
    }
    if (commonLow !== TYPE || (unlikeHigh & ADDRESS_HIGH) !== 0) return false;
    const at = table | ((page & LAST_INDEX) << 1);
    if (this.#context.hinted) breakRun(this.#context, words, at, LAST, false);
    words[at] = this.#low | (frame << 12);
    words[at | 1] = this.#high | (frame >>> 20);
    return true;
  }

  /** {@link map} for any page and frame. */
  #mapFar(page: number, frame: number): boolean {
    const { firstPage, frameEnd, geometry } = this.#context;
    const relative = page - firstPage;
    if (relative < 0 || relative >= geometry.pages || frame >= frameEnd) return false;
    const at = this.#find(relative);
    if (at < 0) return false;
    if (this.#context.hinted) breakRun(this.#context, this.#words, at, LAST, false);
    this.#words[at] = this.#low | addressLow(frame);
    this.#words[at | 1] = this.#high | addressHigh(frame);
    return true;
  }

  /**
   * @param page relative to the first page
   * @returns the index in {@link #words} of the page's descriptor; negative if there is no table for it near the root
   */
  #find(page: number): number {
    const { geometry, rootLevel } = this.#context;
    let table = this.#rootStart;
    for (let level = rootLevel; level < LAST; level++) {
      const at = table + geometry.entryIndex(page, level) * STRIDE;
      const low = this.#words[at] as number;
      const high = this.#words[at + 1] as number;
      const distance = (low >>> 12) - this.#firstLow;
      if ((low & TYPE) !== TYPE || (high & ADDRESS_HIGH) !== this.#firstHigh) return -1;
      if (distance < 0 || distance >= this.#frameCount) return -1;
      table = distance * WORDS_PER_FRAME;
    }
    return table + geometry.entryIndex(page, LAST) * STRIDE;
  }
}

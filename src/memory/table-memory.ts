import { FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { PhysicalMemory } from './physical-memory.ts';

/** Frames that are looked at together: 4 GiB, so that every index into their words fits 32 bits. */
const WINDOW_FRAMES = 2 ** 20;

/**
 * Finds page tables in physical memory. A found table is an index into {@link words}, the part of memory in which
 * it lies, so that a walk indexes one typed array and creates no object.
 */
export class TableMemory {
  /** Words of the memory range, or the 4 GiB of it, in which the last found table is. */
  words: Uint32Array = new Uint32Array(0);
  readonly memory: PhysicalMemory;
  /** First frame of {@link words}, and the same in two parts: bits 39:20 and bits 19:0. */
  #firstFrame = 0;
  #firstHigh = 0;
  #firstLow = 0;
  #frameCount = 0;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  /**
   * @param frame frame number of a table
   * @returns index in {@link words} of the table's first word
   * @throws PageTableError TableOutsideMemory
   */
  locate(frame: number): number {
    const distance = frame - this.#firstFrame;
    if (distance >= 0 && distance < this.#frameCount) return distance * WORDS_PER_FRAME;
    return this.#locateElsewhere(frame);
  }

  /**
   * {@link locate} in 32-bit arithmetic, for the hottest walks.
   * @param low the frame number's bits 19:0
   * @param high its bits 39:20
   */
  nearby(low: number, high: number): number {
    const highDistance = high - this.#firstHigh;
    const distance = (highDistance << 20) + low - this.#firstLow;
    // The first comparison keeps the shift exact: within 2^20 frames the difference is 0 or 1.
    if (highDistance >>> 0 <= 1 && distance >>> 0 < this.#frameCount) return distance * WORDS_PER_FRAME;
    return this.#locateElsewhere(high * 2 ** 20 + low);
  }

  #locateElsewhere(frame: number): number {
    const range = this.memory.rangeHolding(frame);
    if (range === undefined) {
      const address = frame * FRAME_SIZE;
      throw new PageTableError('TableOutsideMemory', `no memory holds a table at ${hex(address)}`, {
        address,
      });
    }
    const skipped = Math.floor((frame - range.firstFrame) / WINDOW_FRAMES) * WINDOW_FRAMES;
    const frameCount = Math.min(range.frameCount - skipped, WINDOW_FRAMES);
    const firstFrame = range.firstFrame + skipped;
    this.words =
      frameCount === range.frameCount
        ? range.words
        : range.words.subarray(skipped * WORDS_PER_FRAME, (skipped + frameCount) * WORDS_PER_FRAME);
    this.#firstFrame = firstFrame;
    this.#firstHigh = Math.floor(firstFrame / 2 ** 20);
    this.#firstLow = firstFrame % 2 ** 20;
    this.#frameCount = frameCount;
    return (frame - firstFrame) * WORDS_PER_FRAME;
  }
}

import { FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { MemoryRange, PhysicalMemory } from './physical-memory.ts';

/** Frames of a range that {@link TableMemory.nearby} covers: 4 GiB, so that indices of words fit 32 bits. */
const NEARBY_FRAMES = 2 ** 20;
const NOWHERE: MemoryRange = { firstFrame: 0, frameCount: 0, words: new Uint32Array(0) };

/**
 * Finds page tables in physical memory. A found table is an index into {@link words}, the range in which it lies,
 * so that a walk indexes one typed array and creates no object.
 */
export class TableMemory {
  /** Words of the range in which the last found table is. */
  words: Uint32Array = NOWHERE.words;
  readonly memory: PhysicalMemory;
  #firstFrame = 0;
  #frameCount = 0;
  /** Bits 31:20 and 19:0 of the range's first frame number, and how many frames {@link nearby} may find. */
  #firstHigh = 0;
  #firstLow = 0;
  #nearbyCount = 0;

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
    // The first comparison keeps the shift exact: within a range of 2^20 frames the difference is 0 or 1.
    if (highDistance >>> 0 <= 1 && distance >>> 0 < this.#nearbyCount) return distance * WORDS_PER_FRAME;
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
    this.words = range.words;
    this.#firstFrame = range.firstFrame;
    this.#frameCount = range.frameCount;
    this.#firstHigh = Math.floor(range.firstFrame / 2 ** 20);
    this.#firstLow = range.firstFrame % 2 ** 20;
    this.#nearbyCount = Math.min(range.frameCount, NEARBY_FRAMES);
    return (frame - range.firstFrame) * WORDS_PER_FRAME;
  }
}

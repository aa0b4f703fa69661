import { FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { MemoryRange, PhysicalMemory } from './physical-memory.ts';

const NOWHERE: MemoryRange = { firstFrame: 0, frameCount: 0, words: new Uint32Array(0) };

/**
 * Finds page tables in physical memory. {@link locate} leaves the range that it found in {@link words}, so that
 * a walk indexes one typed array and creates no object.
 */
export class TableMemory {
  /** Words of the range in which the last located table is. */
  words: Uint32Array = NOWHERE.words;
  readonly memory: PhysicalMemory;
  #firstFrame = 0;
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
    return (frame - range.firstFrame) * WORDS_PER_FRAME;
  }
}

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
  /** First frame of {@link words}. */
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

  /** Whether {@link locate} would find a table. */
  holds(frame: number): boolean {
    const distance = frame - this.#firstFrame;
    return (distance >= 0 && distance < this.#frameCount) || this.memory.rangeHolding(frame) !== undefined;
  }

  /**
   * The memory around a table whose frame numbers agree with the table's in bits 39:20, so that bits 19:0 tell
   * whether another table is in it.
   * @param frameOffset frames between a table's number and its place in memory
   * @returns its words, and the number of its first frame
   * @throws PageTableError TableOutsideMemory
   */
  around(frame: number, frameOffset = 0): { readonly words: Uint32Array; readonly firstFrame: number } {
    this.locate(frame + frameOffset);
    const from = frame - (frame % WINDOW_FRAMES) + frameOffset;
    const first = Math.max(from, this.#firstFrame);
    const end = Math.min(from + WINDOW_FRAMES, this.#firstFrame + this.#frameCount);
    const words = this.words.subarray(
      (first - this.#firstFrame) * WORDS_PER_FRAME,
      (end - this.#firstFrame) * WORDS_PER_FRAME,
    );
    return { words, firstFrame: first - frameOffset };
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
    this.#frameCount = frameCount;
    return (frame - firstFrame) * WORDS_PER_FRAME;
  }
}

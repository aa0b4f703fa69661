import { FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { PhysicalMemory } from './physical-memory.ts';

/** Frames that are looked at together: 4 GiB, so that every index into their words fits 32 bits. */
const WINDOW_FRAMES = 2 ** 20;
/** The most frames that a table has: sixteen tables of 64 KiB in a row. */
const LARGEST_TABLE_FRAMES = 256;

/**
 * Finds page tables in physical memory. A found table is an index into {@link words}, the part of memory in which
 * it lies as a whole, so that a walk indexes one typed array and creates no object.
 */
export class TableMemory {
  /** Words of the memory range, or the 4 GiB of it, in which the last found table is. */
  words: Uint32Array = new Uint32Array(0);
  readonly memory: PhysicalMemory;
  /** First frame of {@link words}, and at how many of its frames a table may begin. */
  #firstFrame = 0;
  #frameCount = 0;
  /** Frames of a table. */
  readonly #tableFrames: number;

  /** @param tableFrames frames of each table */
  constructor(memory: PhysicalMemory, tableFrames = 1) {
    this.memory = memory;
    this.#tableFrames = tableFrames;
  }

  /**
   * @param frame number of a table's first frame
   * @returns index in {@link words} of the table's first word
   * @throws PageTableError TableOutsideMemory
   */
  locate(frame: number): number {
    const distance = frame - this.#firstFrame;
    if (distance >= 0 && distance < this.#frameCount) return distance * WORDS_PER_FRAME;
    return this.#locateElsewhere(frame);
  }

  /** As {@link locate}, for a table of another size, of up to 256 frames. */
  locateRun(frame: number, frames: number): number {
    if (this.memory.rangeHolding(frame, frames) === undefined) throw outsideMemory(frame);
    return this.locate(frame);
  }

  /** Whether {@link locate} would find a table. */
  holds(frame: number): boolean {
    const distance = frame - this.#firstFrame;
    if (distance >= 0 && distance < this.#frameCount) return true;
    return this.memory.rangeHolding(frame, this.#tableFrames) !== undefined;
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
    const end = Math.min(from + WINDOW_FRAMES, this.#firstFrame + this.words.length / WORDS_PER_FRAME);
    const words = this.words.subarray(
      (first - this.#firstFrame) * WORDS_PER_FRAME,
      (end - this.#firstFrame) * WORDS_PER_FRAME,
    );
    return { words, firstFrame: first - frameOffset };
  }

  #locateElsewhere(frame: number): number {
    const range = this.memory.rangeHolding(frame, this.#tableFrames);
    if (range === undefined) throw outsideMemory(frame);
    const skipped = Math.floor((frame - range.firstFrame) / WINDOW_FRAMES) * WINDOW_FRAMES;
    const rest = range.frameCount - skipped;
    // Tables that begin at the end of the window are behind it in part.
    const held = Math.min(rest, WINDOW_FRAMES + LARGEST_TABLE_FRAMES);
    const firstFrame = range.firstFrame + skipped;
    this.words =
      held === range.frameCount
        ? range.words
        : range.words.subarray(skipped * WORDS_PER_FRAME, (skipped + held) * WORDS_PER_FRAME);
    this.#firstFrame = firstFrame;
    this.#frameCount = Math.min(rest - this.#tableFrames + 1, WINDOW_FRAMES);
    return (frame - firstFrame) * WORDS_PER_FRAME;
  }
}

function outsideMemory(frame: number): PageTableError {
  const address = frame * FRAME_SIZE;
  return new PageTableError('TableOutsideMemory', `no memory holds a table at ${hex(address)}`, { address });
}

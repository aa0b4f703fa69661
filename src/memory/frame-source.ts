import { type Address, FRAME_SHIFT, FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { PageAllocator } from './page-allocator.ts';
import type { TableMemory } from './table-memory.ts';

/**
 * Zeroed frames for tables from a user's allocator, and their way back if the operation fails. A table has one frame,
 * or several in a row that begin at a multiple of their size; it goes by the number of the first.
 */
export class FrameSource {
  readonly #allocator: PageAllocator;
  readonly #tables: TableMemory;
  /** Addresses, as the allocator gave them, of the frames that the current operation took: the first #count. */
  readonly #taken: Address[] = [];
  #count = 0;
  /** Frames that could not be given back because the allocator has no releasePage. */
  readonly #spare: Address[] = [];
  /** Frames of a table. */
  readonly #frames: number;

  /** @param frames frames of a table, a power of two */
  constructor(allocator: PageAllocator, tables: TableMemory, frames = 1) {
    this.#allocator = allocator;
    this.#tables = tables;
    this.#frames = frames;
  }

  /** Bytes of a table. */
  get #size(): number {
    return this.#frames * FRAME_SIZE;
  }

  /**
   * The zeroed frames of a table.
   * @returns the number of the first
   * @throws PageTableError OutOfResources if the allocator throws or has none, UnalignedPageBase if what it gives
   *   is no multiple of the table's size, TableOutsideMemory if it lies outside the memory
   */
  take(isRoot: boolean): number {
    const frame = this.takeUncleared(isRoot);
    this.#zero(frame);
    return frame;
  }

  /** As {@link take}, with any content: for tables of which every entry is written before anything can fail. */
  takeUncleared(isRoot: boolean): number {
    const address = (this.#spare.length > 0 ? this.#spare.pop() : undefined) ?? this.#ask(isRoot);
    this.#taken[this.#count++] = address;
    const frame = frameOf(address);
    if (frame === undefined || frame % this.#frames !== 0) {
      throw new PageTableError(
        'UnalignedPageBase',
        `the allocator gave ${hex(address)}, which is no multiple of ${this.#size}`,
      );
    }
    this.#place(frame);
    return frame;
  }

  /** The operation has succeeded: its frames stay in use. */
  commit(): void {
    this.#count = 0;
  }

  /** The operation has failed: clears its frames and gives them back, the latest first. */
  rollback(): void {
    while (this.#count > 0) {
      const address = this.#taken[--this.#count] as Address;
      const usable = this.#clear(address);
      if (this.#allocator.releasePage !== undefined) this.#allocator.releasePage(address, this.#size);
      else if (usable) this.#spare.push(address);
    }
  }

  #ask(isRoot: boolean): Address {
    let address: Address | undefined;
    try {
      address = this.#allocator.allocatePage(this.#size, this.#size, isRoot);
    } catch (cause) {
      throw new PageTableError(
        'OutOfResources',
        'the allocator failed to give a frame for a table',
        {},
        { cause },
      );
    }
    if (address === undefined) {
      throw new PageTableError('OutOfResources', 'the allocator has no frame left for a table');
    }
    return address;
  }

  /** Zeroes a table. @returns false if there is no memory for it */
  #clear(address: Address): boolean {
    const frame = frameOf(address);
    if (frame === undefined || frame % this.#frames !== 0) return false;
    if (this.#tables.memory.rangeHolding(frame, this.#frames) === undefined) return false;
    this.#zero(frame);
    return true;
  }

  /** Where the table is in the words of {@link TableMemory}. @throws PageTableError TableOutsideMemory */
  #place(frame: number): number {
    const frames = this.#frames;
    return frames === 1 ? this.#tables.locate(frame) : this.#tables.locateRun(frame, frames);
  }

  #zero(frame: number): void {
    const start = this.#place(frame);
    this.#tables.words.fill(0, start, start + this.#frames * WORDS_PER_FRAME);
  }
}

/** The frame at an address, or undefined if it is not the start of one. */
function frameOf(address: Address): number | undefined {
  if (typeof address === 'number') {
    const frame = address / FRAME_SIZE;
    return frame === Math.floor(frame) ? frame : undefined;
  }
  return address % BigInt(FRAME_SIZE) === 0n ? Number(address >> BigInt(FRAME_SHIFT)) : undefined;
}

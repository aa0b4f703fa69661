import { type Address, FRAME_SHIFT, FRAME_SIZE, hex, WORDS_PER_FRAME } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import type { PageAllocator } from './page-allocator.ts';
import type { TableMemory } from './table-memory.ts';

/** Zeroed frames for tables from a user's allocator, and their way back if the operation fails. */
export class FrameSource {
  readonly #allocator: PageAllocator;
  readonly #tables: TableMemory;
  /** Addresses, as the allocator gave them, of the frames that the current operation took: the first #count. */
  readonly #taken: Address[] = [];
  #count = 0;
  /** Frames that could not be given back because the allocator has no releasePage. */
  readonly #spare: Address[] = [];

  constructor(allocator: PageAllocator, tables: TableMemory) {
    this.#allocator = allocator;
    this.#tables = tables;
  }

  /**
   * A zeroed frame.
   * @returns its frame number
   * @throws PageTableError OutOfResources if the allocator throws or has none, UnalignedPageBase if what it gives
   *   is no multiple of 4096, TableOutsideMemory if it lies outside the memory
   */
  take(isRoot: boolean): number {
    const address = (this.#spare.length > 0 ? this.#spare.pop() : undefined) ?? this.#ask(isRoot);
    this.#taken[this.#count++] = address;
    const frame = frameOf(address);
    if (frame === undefined) {
      throw new PageTableError(
        'UnalignedPageBase',
        `the allocator gave ${hex(address)}, which is no multiple of 4096`,
      );
    }
    const start = this.#tables.locate(frame);
    this.#tables.words.fill(0, start, start + WORDS_PER_FRAME);
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
      if (this.#allocator.releasePage !== undefined) this.#allocator.releasePage(address);
      else if (usable) this.#spare.push(address);
    }
  }

  #ask(isRoot: boolean): Address {
    let address: Address | undefined;
    try {
      address = this.#allocator.allocatePage(FRAME_SIZE, FRAME_SIZE, isRoot);
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

  /** Zeroes a frame. @returns false if there is no such frame */
  #clear(address: Address): boolean {
    const frame = frameOf(address);
    if (frame === undefined || this.#tables.memory.rangeHolding(frame) === undefined) return false;
    const start = this.#tables.locate(frame);
    this.#tables.words.fill(0, start, start + WORDS_PER_FRAME);
    return true;
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

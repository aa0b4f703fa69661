import { type Address, addressOfPage, FRAME_SIZE, WORDS_PER_FRAME } from '../../addresses.ts';
import type { PageAllocator } from '../../memory/page-allocator.ts';
import type { TableMemory } from '../../memory/table-memory.ts';

/**
 * The allocator of a table tree with a way back for every frame: where the user's allocator takes none back, frames
 * are kept for the next table. Frames of unlinked tables go back, as zeros, when the operation has succeeded, or at
 * once.
 */
export class TableRelease implements PageAllocator {
  readonly #allocator: PageAllocator;
  readonly #tables: TableMemory;
  readonly #kept: Address[] = [];
  readonly #unlinked: number[] = [];
  /** Whether unlinked tables go back at once. */
  readonly #immediate: boolean;
  /** Frames of a table below the root. */
  readonly #tableFrames: number;

  constructor(allocator: PageAllocator, tables: TableMemory, tableFrames: number, immediate: boolean) {
    this.#allocator = allocator;
    this.#tables = tables;
    this.#tableFrames = tableFrames;
    this.#immediate = immediate;
  }

  allocatePage(align: number, size: number, isRoot: boolean): Address | undefined {
    return this.#kept.pop() ?? this.#allocator.allocatePage(align, size, isRoot);
  }

  releasePage(address: Address, size: number): void {
    if (this.#allocator.releasePage === undefined) this.#kept.push(address);
    else this.#allocator.releasePage(address, size);
  }

  /** A table was unlinked from the tree; its content stays until the operation ends. */
  unlinked(frame: number): void {
    if (this.#immediate) this.#release(frame);
    else this.#unlinked.push(frame);
  }

  /** The operation has succeeded. */
  commit(): void {
    if (this.#unlinked.length === 0) return;
    for (const frame of this.#unlinked) this.#release(frame);
    this.#unlinked.length = 0;
  }

  /** The operation has failed: unlinked tables are linked again. */
  rollback(): void {
    this.#unlinked.length = 0;
  }

  #release(frame: number): void {
    const start = this.#tables.locate(frame);
    this.#tables.words.fill(0, start, start + this.#tableFrames * WORDS_PER_FRAME);
    this.releasePage(addressOfPage(frame), this.#tableFrames * FRAME_SIZE);
  }
}

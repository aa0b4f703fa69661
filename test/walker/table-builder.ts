import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** Where tables are built, and what they look like. */
export interface TableForm {
  /** log2 of the page size. */
  readonly pageShift: number;
  readonly startLevel: number;
  /** Address of the root table. */
  readonly root: bigint;
  /** Width of the input address. */
  readonly inputBits: number;
  /** Where further tables are put, one after the other. */
  readonly pool: bigint;
  /** A descriptor of a table at an address. */
  readonly table: (address: bigint) => bigint;
}

/** Writes descriptors level by level; tables on the way are made as they are needed. */
export class TableBuilder {
  readonly #memory: PhysicalMemory;
  readonly #form: TableForm;
  readonly #tables = new Map<bigint, bigint>();
  #next: bigint;

  constructor(memory: PhysicalMemory, form: TableForm) {
    this.#memory = memory;
    this.#form = form;
    this.#next = form.pool;
  }

  /** Writes the descriptor of `level` for an input address. @returns the descriptor's address */
  set(address: bigint, level: number, descriptor: bigint): bigint {
    const { pageShift, startLevel, root, inputBits, table } = this.#form;
    const stride = BigInt(pageShift - 3);
    let base = root;
    for (let at = startLevel; ; at++) {
      const shift = BigInt(pageShift) + stride * BigInt(3 - at);
      const width = at === startLevel ? BigInt(inputBits) - shift : stride;
      const entry = base + ((address >> shift) & ((1n << width) - 1n)) * 8n;
      if (at === level) {
        if (!this.#memory.writeEntry(entry, descriptor))
          throw new Error(`no memory at 0x${entry.toString(16)}`);
        return entry;
      }
      let next = this.#tables.get(entry);
      if (next === undefined) {
        next = this.#next;
        this.#next += 1n << BigInt(pageShift);
        this.#tables.set(entry, next);
        this.#memory.writeEntry(entry, table(next));
      }
      base = next;
    }
  }
}

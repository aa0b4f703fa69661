import { TAG_BYTES, TAG_WORDS, writeTag } from '../guest-stubs/aarch64/data-tag.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import type { GuestRam } from './guest-ram.ts';

/** The data tags that stand in a guest's memory, one for each slot that was probed. */
export class DataTags {
  /** Slot numbers: physical address / 16. */
  readonly #slots = new Set<number>();
  readonly #ram: GuestRam;
  readonly #words = new Uint32Array(TAG_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  constructor(ram: GuestRam) {
    this.#ram = ram;
  }

  /** Writes the tag of the slot at a physical address, unless it stands there already. */
  put(physicalAddress: number): void {
    const slot = Math.floor(physicalAddress / TAG_BYTES);
    if (this.#slots.has(slot)) return;
    writeTag(this.#words, 0, Math.floor(physicalAddress / FRAME_SIZE));
    this.#ram.write(slot * TAG_BYTES, this.#bytes);
    this.#slots.add(slot);
  }

  has(physicalAddress: number): boolean {
    return this.#slots.has(Math.floor(physicalAddress / TAG_BYTES));
  }

  /** Forgets all tags: other content may have been written over some. Those that are left stay true. */
  forget(): void {
    this.#slots.clear();
  }
}

import { X64ProbeFlag } from '../../../guest-stubs/x64/control.ts';
import { peekedValues, peekRecords, tlbRecords } from '../../../guest-stubs/x64/live-records.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { type LiveGuest, type TlbOperation, x64Operations } from '../../live-guest.ts';
import { machineErrorOf } from '../../machine.ts';
import { ImageShadow } from '../image-shadow.ts';
import { Batch, MAX_BATCH } from './batch.ts';
import type { X64UnicornGuest } from './x64-guest.ts';

/** The host's side of a guest whose tables change. */
export class X64UnicornLiveGuest implements LiveGuest {
  readonly #guest: X64UnicornGuest;
  readonly #shadow: ImageShadow;

  constructor(guest: X64UnicornGuest, memory: PhysicalMemory) {
    this.#guest = guest;
    this.#shadow = new ImageShadow(memory);
  }

  async update(): Promise<void> {
    try {
      this.#shadow.takeChanges((address, low, high) => this.#guest.writeEntry(address, low, high));
    } catch (cause) {
      throw machineErrorOf('unicorn-x64', cause);
    }
  }

  async invalidate(operations: readonly TlbOperation[]): Promise<void> {
    const own = x64Operations('unicorn-x64', operations);
    for (let at = 0; at < own.length; at += MAX_BATCH) {
      const records = tlbRecords(own.slice(at, at + MAX_BATCH));
      this.#guest.invalidate(new Uint32Array(records.buffer));
    }
  }

  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    const values: (bigint | undefined)[] = [];
    for (let at = 0; at < addresses.length; at += MAX_BATCH) {
      const accesses = peekRecords(addresses.slice(at, at + MAX_BATCH));
      const batch = new Batch(accesses, X64ProbeFlag.WholeValue, true);
      for (let index = 0; index < accesses.length; index++) batch.add(index);
      this.#guest.run(0, batch);
      values.push(...peekedValues(this.#guest.results, accesses.length));
    }
    return values;
  }
}

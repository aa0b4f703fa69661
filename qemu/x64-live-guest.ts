import { peekedValues, peekRecords, tlbRecords } from '../guest-stubs/x64/live-records.ts';
import { type LiveGuest, type TlbOperation, x64Operations } from '../harness/live-guest.ts';
import { machineErrorOf } from '../harness/machine.ts';
import type { ImageShadow } from '../harness/machines/image-shadow.ts';
import { ACCESS_RECORD_BYTES } from '../src/access-list.ts';
import { BATCH_LIMIT } from './x64-batch-queue.ts';
import type { X64Frames } from './x64-frames.ts';
import type { X64Guest } from './x64-guest.ts';

/** The host's side of a guest whose tables change. */
export class X64LiveGuest implements LiveGuest {
  readonly #guest: X64Guest;
  readonly #frames: X64Frames;
  readonly #shadow: ImageShadow;

  readonly #machine: string;

  /** @param shadow the image's memory as the guest has it */
  constructor(machine: string, guest: X64Guest, frames: X64Frames, shadow: ImageShadow) {
    this.#machine = machine;
    this.#guest = guest;
    this.#frames = frames;
    this.#shadow = shadow;
  }

  async update(): Promise<void> {
    try {
      this.#shadow.takeChanges((address, low, high) => this.#guest.writeEntry(address, low, high));
    } catch (cause) {
      throw machineErrorOf(this.#machine, cause);
    }
    this.#frames.forgetSlots();
  }

  async invalidate(operations: readonly TlbOperation[]): Promise<void> {
    const own = x64Operations(this.#machine, operations);
    for (let at = 0; at < own.length; at += BATCH_LIMIT) {
      await this.#guest.invalidate(tlbRecords(own.slice(at, at + BATCH_LIMIT)));
    }
  }

  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    const values: (bigint | undefined)[] = [];
    for (let at = 0; at < addresses.length; at += BATCH_LIMIT) {
      const { words, length } = peekRecords(addresses.slice(at, at + BATCH_LIMIT));
      this.#guest.start(new Uint8Array(words.buffer, 0, length * ACCESS_RECORD_BYTES), 0);
      values.push(...peekedValues(await this.#guest.finish(), length));
    }
    // What was logged belongs to no list of probes.
    this.#guest.log.skip();
    return values;
  }
}

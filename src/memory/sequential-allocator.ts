import { type Address, FRAME_SIZE, hex, toBigInt } from '../addresses.ts';
import type { PageAllocator } from './page-allocator.ts';

/** Hands out the frames of one physical range in ascending order; frames that come back are used first. */
export class SequentialAllocator implements PageAllocator {
  readonly #first: number;
  readonly #end: number;
  #next: number;
  readonly #released: number[] = [];

  /**
   * @param base physical address of the range, a multiple of 4096
   * @param size its length in bytes, a multiple of 4096
   * @throws RangeError if one of them is not, or the range ends beyond 2^52
   */
  constructor(base: Address, size: Address) {
    const start = toBigInt(base, 'base');
    const length = toBigInt(size, 'size');
    if ((start | length) % BigInt(FRAME_SIZE) !== 0n) {
      throw new RangeError(
        `allocator range at ${hex(start)} of ${hex(length)} bytes is not made of 4 KiB frames`,
      );
    }
    if (start + length > 1n << 52n) {
      throw new RangeError(`allocator range at ${hex(start)} of ${hex(length)} bytes ends beyond 2^52`);
    }
    this.#first = Number(start);
    this.#next = this.#first;
    this.#end = this.#first + Number(length);
  }

  /** Number of frames that are handed out now. */
  get allocatedPages(): number {
    return (this.#next - this.#first) / FRAME_SIZE - this.#released.length;
  }

  /** First physical address behind every frame that was ever handed out. */
  get highWaterMark(): bigint {
    return BigInt(this.#next);
  }

  allocatePage(): number | undefined {
    const released = this.#released.pop();
    if (released !== undefined) return released;
    if (this.#next === this.#end) return undefined;
    const page = this.#next;
    this.#next += FRAME_SIZE;
    return page;
  }

  releasePage(address: Address): void {
    const page = Number(toBigInt(address));
    if (
      page < this.#first ||
      page >= this.#next ||
      page % FRAME_SIZE !== 0 ||
      this.#released.includes(page)
    ) {
      throw new RangeError(`${hex(address)} is not a frame that this allocator has handed out`);
    }
    this.#released.push(page);
    this.#dropReleasedTail();
  }

  /** Forgets released frames at the end, so that a rolled-back operation leaves no trace in the order. */
  #dropReleasedTail(): void {
    for (let at = this.#released.indexOf(this.#next - FRAME_SIZE); at >= 0; ) {
      this.#released.splice(at, 1);
      this.#next -= FRAME_SIZE;
      at = this.#released.indexOf(this.#next - FRAME_SIZE);
    }
  }
}

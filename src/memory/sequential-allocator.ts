import { type Address, FRAME_SIZE, hex, toBigInt } from '../addresses.ts';
import type { PageAllocator } from './page-allocator.ts';

/** Frames in a row that were one table. */
interface Run {
  readonly page: number;
  readonly size: number;
}

/**
 * Hands out the frames of one physical range in ascending order, also several in a row; frames that come back are
 * used first.
 */
export class SequentialAllocator implements PageAllocator {
  readonly #first: number;
  readonly #end: number;
  #next: number;
  readonly #released: number[] = [];
  /** What came back of more than one frame. */
  readonly #releasedRuns: Run[] = [];

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
    const runs = this.#releasedRuns.reduce((bytes, { size }) => bytes + size, 0);
    return (this.#next - this.#first - runs) / FRAME_SIZE - this.#released.length;
  }

  /** First physical address behind every frame that was ever handed out. */
  get highWaterMark(): bigint {
    return BigInt(this.#next);
  }

  allocatePage(align: number = FRAME_SIZE, size: number = FRAME_SIZE): number | undefined {
    if (align !== FRAME_SIZE || size !== FRAME_SIZE) return this.#allocateRun(align, size);
    const released = this.#released.pop();
    if (released !== undefined) return released;
    if (this.#next === this.#end) return undefined;
    const page = this.#next;
    this.#next += FRAME_SIZE;
    return page;
  }

  /** @param size what was asked for; a piece of it cannot come back alone */
  releasePage(address: Address, size: number = FRAME_SIZE): void {
    const page = Number(toBigInt(address));
    if (
      page < this.#first ||
      page + size > this.#next ||
      page % FRAME_SIZE !== 0 ||
      this.#isReleased(page, size)
    ) {
      throw new RangeError(`${hex(address)} is not a frame that this allocator has handed out`);
    }
    if (size === FRAME_SIZE) this.#released.push(page);
    else this.#releasedRuns.push({ page, size });
    while (this.#dropReleasedTail());
  }

  #allocateRun(align: number, size: number): number | undefined {
    const at = this.#releasedRuns.findLastIndex((run) => run.size === size && run.page % align === 0);
    if (at >= 0) return this.#releasedRuns.splice(at, 1)[0]?.page;
    const page = Math.ceil(this.#next / align) * align;
    if (page + size > this.#end) return undefined;
    for (; this.#next < page; this.#next += FRAME_SIZE) this.#released.push(this.#next);
    this.#next = page + size;
    return page;
  }

  #isReleased(page: number, size: number): boolean {
    const within = (other: number): boolean => page <= other && other < page + size;
    const overlaps = (other: Run): boolean => other.page < page + size && page < other.page + other.size;
    const frame = size === FRAME_SIZE ? this.#released.includes(page) : this.#released.some(within);
    return frame || this.#releasedRuns.some(overlaps);
  }

  /**
   * Forgets what was released at the end, so that a rolled-back operation leaves no trace in the order.
   * @returns whether there was anything
   */
  #dropReleasedTail(): boolean {
    const at = this.#released.indexOf(this.#next - FRAME_SIZE);
    const runAt = this.#releasedRuns.findIndex(({ page, size }) => page + size === this.#next);
    if (at >= 0) {
      this.#released.splice(at, 1);
      this.#next -= FRAME_SIZE;
    } else if (runAt >= 0) {
      const [run] = this.#releasedRuns.splice(runAt, 1);
      this.#next = run?.page ?? this.#next;
    }
    return at >= 0 || runAt >= 0;
  }
}

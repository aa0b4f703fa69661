import { type Address, FRAME_SIZE, hex, toBigInt, WORDS_PER_FRAME } from '../../addresses.ts';
import type { PageAllocator } from '../../memory/page-allocator.ts';
import { PhysicalMemory } from '../../memory/physical-memory.ts';

/** Frames of the first piece of memory; every further piece doubles it. */
const FIRST_FRAMES = 64;

/** Frames in a row that were one table, by their place in the block. */
interface Run {
  readonly index: number;
  readonly frames: number;
}

/**
 * Frames in one contiguous block of a target's memory, for tables that are built here and loaded there. The memory
 * grows as tables need it; the lowest free frame is always used. A table of several frames has them in a row.
 */
export class TargetAllocator implements PageAllocator {
  /** Holds the tables, at the addresses that they have on the target. */
  readonly memory = new PhysicalMemory();
  readonly #base: number;
  #backed = 0;
  /** Frames from the base that were ever handed out. */
  #used = 0;
  /** Indices of returned frames as a binary heap, the lowest first. */
  readonly #free: number[] = [];
  readonly #isFree = new Set<number>();
  /** What came back of more than one frame. */
  readonly #freeRuns: Run[] = [];

  /**
   * @param base physical address of the block on the target, a multiple of 4096 below 2^48
   * @throws RangeError for another one
   */
  constructor(base: Address) {
    const address = toBigInt(base, 'base');
    if (address % BigInt(FRAME_SIZE) !== 0n || address >= 1n << 48n) {
      throw new RangeError(`the base ${hex(address)} is not the address of a 4 KiB frame`);
    }
    this.#base = Number(address);
  }

  allocatePage(align: number = FRAME_SIZE, size: number = FRAME_SIZE): number {
    if (align !== FRAME_SIZE || size !== FRAME_SIZE) return this.#allocateRun(align, size / FRAME_SIZE);
    const free = this.#takeFree();
    if (free !== undefined) {
      this.#isFree.delete(free);
      return this.#base + free * FRAME_SIZE;
    }
    if (this.#used === this.#backed) this.#grow(1);
    return this.#base + this.#used++ * FRAME_SIZE;
  }

  /**
   * @param size what was asked for
   * @throws RangeError for an address that is not a frame of the block in use
   */
  releasePage(address: Address, size: number = FRAME_SIZE): void {
    const index = (Number(address) - this.#base) / FRAME_SIZE;
    const end = index + size / FRAME_SIZE;
    if (!Number.isInteger(index) || index < 0 || end > this.#used || this.#anyFree(index, end)) {
      throw new RangeError(`${hex(address)} is not a frame that this allocator has handed out`);
    }
    for (let frame = index; frame < end; frame++) this.#isFree.add(frame);
    if (size === FRAME_SIZE) this.#giveFree(index);
    else this.#freeRuns.push({ index, frames: end - index });
  }

  /**
   * The block as it must be loaded at the base: every frame up to the highest one that was ever used, free ones
   * as zeros.
   */
  asBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#used * FRAME_SIZE);
    for (let index = 0; index < this.#used; index++) {
      if (this.#isFree.has(index)) continue;
      const words = this.#words(index);
      const view = new DataView(bytes.buffer, index * FRAME_SIZE, FRAME_SIZE);
      for (let word = 0; word < WORDS_PER_FRAME; word++) {
        view.setUint32(word * 4, words[word] as number, true);
      }
    }
    return bytes;
  }

  #words(index: number): Uint32Array {
    return this.memory.frameWords(this.#base / FRAME_SIZE + index) as Uint32Array;
  }

  #allocateRun(align: number, frames: number): number {
    const addressOf = (index: number): number => this.#base + index * FRAME_SIZE;
    const free = this.#freeRuns.findIndex(
      (run) => run.frames === frames && addressOf(run.index) % align === 0,
    );
    if (free >= 0) {
      const [{ index } = { index: 0 }] = this.#freeRuns.splice(free, 1);
      for (let frame = index; frame < index + frames; frame++) this.#isFree.delete(frame);
      return addressOf(index);
    }
    const alignedAfter = (index: number): number =>
      (Math.ceil(addressOf(index) / align) * align - this.#base) / FRAME_SIZE;
    let index = alignedAfter(this.#used);
    if (index + frames > this.#backed) {
      // A table lies in one piece of memory.
      index = alignedAfter(this.#backed);
      this.#grow(index + frames - this.#backed);
    }
    for (let skipped = this.#used; skipped < index; skipped++) {
      this.#isFree.add(skipped);
      this.#giveFree(skipped);
    }
    this.#used = index + frames;
    return addressOf(index);
  }

  #anyFree(index: number, end: number): boolean {
    for (let frame = index; frame < end; frame++) if (this.#isFree.has(frame)) return true;
    return false;
  }

  /** @param needed the least number of frames that the new piece has */
  #grow(needed: number): void {
    const frames = Math.max(this.#backed, FIRST_FRAMES, needed);
    this.memory.addRange(this.#base + this.#backed * FRAME_SIZE, new ArrayBuffer(frames * FRAME_SIZE));
    this.#backed += frames;
  }

  #giveFree(index: number): void {
    const heap = this.#free;
    let at = heap.length;
    heap.push(index);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as number) <= index) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = index;
  }

  #takeFree(): number | undefined {
    const heap = this.#free;
    const lowest = heap[0];
    const last = heap.pop();
    if (lowest === undefined || last === undefined || heap.length === 0) return lowest;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
    return lowest;
  }
}

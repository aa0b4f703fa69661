import {
  type Address,
  FRAME_SHIFT,
  FRAME_SIZE,
  hex,
  toBigInt,
  WORDS_PER_FRAME,
  wordsToBigInt,
} from '../addresses.ts';

/** A run of physical frames with backing. Hot loops index `words` directly. */
export interface MemoryRange {
  /** First frame number (physical address / 4096). */
  readonly firstFrame: number;
  /** Number of 4 KiB frames. */
  readonly frameCount: number;
  /** The frames' content: 1024 little-endian words per frame. */
  readonly words: Uint32Array;
}

/**
 * Guest physical memory as a set of backed ranges over ArrayBuffers: plain ones, SharedArrayBuffers, or
 * memory that an emulator maps. What no range covers does not exist.
 */
export class PhysicalMemory {
  readonly #ranges: MemoryRange[] = [];
  #lastHit: MemoryRange | undefined;

  /** A memory with one zeroed range. `base` and `size` are multiples of 4096. */
  static allocate(base: Address, size: Address): PhysicalMemory {
    const memory = new PhysicalMemory();
    memory.addRange(base, new ArrayBuffer(Number(toBigInt(size, 'size'))));
    return memory;
  }

  /** The backed ranges, ascending by address. */
  get ranges(): readonly MemoryRange[] {
    return this.#ranges;
  }

  /**
   * Backs `byteLength` bytes from physical address `base` with a part of `buffer`.
   * @returns the range
   * @throws RangeError if base or length is no multiple of 4096, the buffer's part is not 4-byte aligned or
   *   too short, the range ends beyond 2^64, or it overlaps a range that is already there
   */
  addRange(
    base: Address,
    buffer: ArrayBufferLike,
    byteOffset = 0,
    byteLength: number = buffer.byteLength - byteOffset,
  ): MemoryRange {
    const start = toBigInt(base, 'base');
    if (start % BigInt(FRAME_SIZE) !== 0n || byteLength % FRAME_SIZE !== 0 || byteLength <= 0) {
      throw new RangeError(
        `memory range at ${hex(start)} of ${hex(byteLength)} bytes is not made of whole 4 KiB frames`,
      );
    }
    const firstFrame = Number(start >> BigInt(FRAME_SHIFT));
    const frameCount = byteLength / FRAME_SIZE;
    if (firstFrame + frameCount > 2 ** 52) {
      throw new RangeError(`memory range at ${hex(start)} of ${hex(byteLength)} bytes ends beyond 2^64`);
    }
    const at = this.#indexAfter(firstFrame);
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    const neighbour =
      before !== undefined && before.firstFrame + before.frameCount > firstFrame
        ? before
        : after !== undefined && after.firstFrame < firstFrame + frameCount
          ? after
          : undefined;
    if (neighbour !== undefined) {
      throw new RangeError(
        `memory range at ${hex(start)} of ${hex(byteLength)} bytes overlaps the range at ${hex(neighbour.firstFrame * FRAME_SIZE)}`,
      );
    }
    const range = { firstFrame, frameCount, words: new Uint32Array(buffer, byteOffset, byteLength / 4) };
    this.#ranges.splice(at, 0, range);
    this.#lastHit = undefined;
    return range;
  }

  /** The range that holds all of the `count` frames from `frame`, or undefined. */
  rangeHolding(frame: number, count = 1): MemoryRange | undefined {
    let range = this.#lastHit;
    if (range === undefined || frame < range.firstFrame || frame >= range.firstFrame + range.frameCount) {
      range = this.#ranges[this.#indexAfter(frame) - 1];
      if (range === undefined || frame >= range.firstFrame + range.frameCount) return undefined;
      this.#lastHit = range;
    }
    return frame + count <= range.firstFrame + range.frameCount ? range : undefined;
  }

  /** The 64-bit little-endian entry at an 8-byte aligned physical address, or undefined where no memory is. */
  readEntry(address: Address): bigint | undefined {
    const place = this.#entryPlace(address);
    return place === undefined
      ? undefined
      : wordsToBigInt(place.words[place.index] as number, place.words[place.index + 1] as number);
  }

  /** Stores a 64-bit little-endian entry. @returns false where no memory is */
  writeEntry(address: Address, value: bigint): boolean {
    const place = this.#entryPlace(address);
    if (place === undefined) return false;
    place.words[place.index] = Number(value & 0xffff_ffffn);
    place.words[place.index + 1] = Number((value >> 32n) & 0xffff_ffffn);
    return true;
  }

  /** The 1024 words of one frame as a view (no copy), or undefined where no memory is. */
  frameWords(frame: number): Uint32Array | undefined {
    const range = this.rangeHolding(frame);
    if (range === undefined) return undefined;
    const start = (frame - range.firstFrame) * WORDS_PER_FRAME;
    return range.words.subarray(start, start + WORDS_PER_FRAME);
  }

  #entryPlace(address: Address): { words: Uint32Array; index: number } | undefined {
    const at = toBigInt(address);
    if (at % 8n !== 0n) throw new RangeError(`entry address ${hex(at)} is not a multiple of 8`);
    const frame = Number(at >> BigInt(FRAME_SHIFT));
    const range = this.rangeHolding(frame);
    if (range === undefined) return undefined;
    const index = (frame - range.firstFrame) * WORDS_PER_FRAME + (Number(at & 0xfffn) >> 2);
    return { words: range.words, index };
  }

  /** Index of the first range that starts behind `frame`. */
  #indexAfter(frame: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as MemoryRange).firstFrame <= frame) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

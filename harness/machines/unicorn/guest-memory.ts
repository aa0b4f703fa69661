import { FRAME_SIZE, hex } from '../../../src/addresses.ts';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { Protection } from './binding.ts';
import type { UnicornEngine } from './engine.ts';
import { type Extent, endOf, gapsBetween, isInExtent, planBlocks } from './memory-blocks.ts';
import { NativeMemory } from './native-memory.ts';

/** Largest piece that is viewed at once. */
const VIEW_BYTES = 2 ** 30;

/**
 * The table walker ignores protections. Without Read every first access is reported with its physical address;
 * Write must stay, because without it the walker could not set A and D bits; Execute is never given: every
 * fetch is reported.
 */
const OBSERVED = Protection.Write;
const SILENT = Protection.Read | Protection.Write;

/** Callbacks, see UnicornEngine.readCallback and writeCallback. */
export interface AbsentMemory {
  readonly read: bigint;
  readonly write: bigint;
}

/**
 * A guest's physical memory: copies of the image's ranges and the stub's regions, and nothing else. Memory that
 * is not there reads as zero.
 */
export class GuestMemory {
  readonly #engine: UnicornEngine;
  readonly #blocks: readonly Extent[];
  /** Where each block begins in the native memory. */
  readonly #offsets: readonly number[];
  readonly #native: NativeMemory;
  readonly #shape: readonly Extent[];
  #silent: Extent | undefined;

  /**
   * Maps everything below `end`.
   * @param absent callbacks for memory that is not there: offset and data together are the physical address
   * @throws RangeError if the image ends beyond `end`, or needs more address space than there is
   */
  constructor(
    engine: UnicornEngine,
    image: PhysicalMemory,
    regions: readonly Extent[],
    end: number,
    absent: AbsentMemory,
  ) {
    this.#engine = engine;
    this.#blocks = planBlocks(image, regions);
    const offsets: number[] = [];
    let total = 0;
    for (const { size } of this.#blocks) {
      offsets.push(total);
      total += size;
    }
    this.#offsets = offsets;
    this.#shape = image.ranges.map(({ firstFrame, frameCount }) => ({
      address: firstFrame * FRAME_SIZE,
      size: frameCount * FRAME_SIZE,
    }));
    const last = this.#blocks.at(-1);
    if (last !== undefined && endOf(last) > end) {
      throw new RangeError(`memory up to ${hex(endOf(last))} does not fit below ${hex(end)}`);
    }
    this.#native = NativeMemory.acquire(total);
    try {
      this.#map(image, end, absent);
    } catch (cause) {
      this.#engine.close();
      this.#native.release();
      throw cause;
    }
  }

  /** Memory as bytes without a copy; it must lie in one range or region. At most 1 GiB. */
  view(address: number, size: number): Uint8Array<ArrayBuffer> {
    const index = this.#blocks.findIndex(
      (block) => isInExtent(address, block) && address + size <= endOf(block),
    );
    const block = this.#blocks[index];
    if (block === undefined) throw new RangeError(`the guest has no ${hex(size)} bytes at ${hex(address)}`);
    return this.#native.view((this.#offsets[index] as number) + address - block.address, size);
  }

  /** {@link view} as 32-bit words. */
  words(address: number, size: number): Uint32Array<ArrayBuffer> {
    const { buffer, byteOffset } = this.view(address, size);
    return new Uint32Array(buffer, byteOffset, size / 4);
  }

  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += VIEW_BYTES) {
      const piece = bytes.subarray(done, done + VIEW_BYTES);
      this.view(address + done, piece.length).set(piece);
    }
  }

  read(address: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; done += VIEW_BYTES) {
      const piece = into.subarray(done, done + VIEW_BYTES);
      piece.set(this.view(address + done, piece.length));
    }
  }

  /**
   * Chooses the one region whose data accesses are not observed, because a running stub is in it. Fetches are
   * observed everywhere.
   */
  silence(region: Extent): void {
    if (region.address === this.#silent?.address) return;
    if (this.#silent !== undefined) {
      this.#engine.protect(this.#silent.address, this.#silent.size, OBSERVED);
    }
    this.#engine.protect(region.address, region.size, SILENT);
    this.#silent = region;
  }

  /** Copies of the image's ranges as they are now. */
  readBack(): PhysicalMemory {
    const copy = new PhysicalMemory();
    for (const { address, size } of this.#shape) {
      const bytes = new Uint8Array(size);
      this.read(address, bytes);
      copy.addRange(address, bytes.buffer);
    }
    return copy;
  }

  #map(image: PhysicalMemory, end: number, absent: AbsentMemory): void {
    this.#blocks.forEach(({ address, size }, index) => {
      const native = this.#native.address + (this.#offsets[index] as number);
      this.#engine.mapMemory(address, size, OBSERVED, native);
    });
    for (const { address, size } of gapsBetween(this.#blocks, end)) {
      this.#engine.mapMmio(address, size, absent.read, absent.write, address);
    }
    for (const { firstFrame, words } of image.ranges) {
      const source = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
      this.write(firstFrame * FRAME_SIZE, source);
    }
  }

  /** Gives the memory back, once, after the engine is closed. */
  release(): void {
    this.#native.release();
  }
}

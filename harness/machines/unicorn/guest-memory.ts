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
   * @param read called for reads of memory that is not there, with its physical address split as offset and data
   */
  constructor(
    engine: UnicornEngine,
    image: PhysicalMemory,
    regions: readonly Extent[],
    end: number,
    absent: { readonly read: bigint; readonly write: bigint },
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
    this.#native = new NativeMemory(total);
    this.#blocks.forEach(({ address, size }, index) => {
      engine.mapMemory(address, size, OBSERVED, this.#native.address + (offsets[index] as number));
    });
    for (const { address, size } of gapsBetween(this.#blocks, end)) {
      engine.mapMmio(address, size, absent.read, absent.write, address);
    }
    for (const { firstFrame, words } of image.ranges) {
      const source = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
      this.write(firstFrame * FRAME_SIZE, source);
    }
  }

  /** Memory as bytes without a copy; it must lie in one range or region. At most 1 GiB. */
  view(address: number, size: number): ArrayBuffer {
    const index = this.#blocks.findIndex(
      (block) => isInExtent(address, block) && address + size <= endOf(block),
    );
    const block = this.#blocks[index];
    if (block === undefined) throw new RangeError(`the guest has no ${hex(size)} bytes at ${hex(address)}`);
    return this.#native.view((this.#offsets[index] as number) + address - block.address, size);
  }

  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += VIEW_BYTES) {
      const piece = bytes.subarray(done, done + VIEW_BYTES);
      new Uint8Array(this.view(address + done, piece.length)).set(piece);
    }
  }

  read(address: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; done += VIEW_BYTES) {
      const piece = into.subarray(done, done + VIEW_BYTES);
      piece.set(new Uint8Array(this.view(address + done, piece.length)));
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

  /** Gives the memory back, after the engine is closed. */
  free(): void {
    this.#native.free();
  }
}

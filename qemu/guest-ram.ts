import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { MachineError } from '../harness/machine.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import type { MemoryRange, PhysicalMemory } from '../src/memory/physical-memory.ts';
import { messageOf, openScratchFile } from './scratch-file.ts';

/** A guest's RAM starts at physical 0 on `-machine none` and is a multiple of this. */
export const RAM_GRANULE = 0x20_0000;

/** Content is copied in pieces of this size; pieces that are all zero stay holes of the sparse file. */
const PIECE = 0x1_0000;
const ZEROS = new Uint8Array(PIECE);

/** Frames that are cleared at most: with more a new file costs less, and gives storage back. */
const CLEARED_FRAMES = 16_384;

/**
 * The RAM of an emulated machine as a sparse file that both processes share: physical address = offset in the file.
 * The host writes with pwrite and sees what the guest wrote with pread, at once.
 */
export class GuestRam {
  /** Bytes. */
  readonly size: number;
  /** To be inherited by the emulator. */
  readonly descriptor: number;
  readonly #machine: string;
  readonly #folder: string;
  readonly #word = Buffer.alloc(8);
  /** Frames that the host has written to, as long as they can be cleared. */
  readonly #written = new Set<number>();
  #open = true;

  /**
   * @param size bytes, a multiple of {@link RAM_GRANULE}; only what is written takes space
   * @param expectedUse bytes that will really be written, to choose a folder with room
   * @throws MachineError 'failed' if the file cannot be made or cannot be that long
   */
  constructor(machine: string, size: number, expectedUse: number) {
    const { descriptor, folder } = openScratchFile(machine, expectedUse);
    this.#machine = machine;
    this.#folder = folder;
    this.descriptor = descriptor;
    this.size = size;
    try {
      ftruncateSync(descriptor, size);
    } catch (cause) {
      this.close();
      throw this.#failure(`cannot make a sparse RAM file of ${hex(size)} bytes`, cause);
    }
  }

  /** Bytes of storage that the file takes now. */
  get bytesInUse(): number {
    return fstatSync(this.descriptor).blocks * 512;
  }

  /** Whether the host has written so little that {@link clear} knows all of it. */
  get canClear(): boolean {
    return this.#written.size < CLEARED_FRAMES;
  }

  /**
   * Fills all that the host has written with zeros, but for `length` bytes from `keptAddress` (multiples of a frame's
   * size). The storage stays in use. {@link canClear} must hold.
   */
  clear(keptAddress: number, length: number): void {
    const firstKept = keptAddress / FRAME_SIZE;
    const endOfKept = firstKept + length / FRAME_SIZE;
    const kept: number[] = [];
    let first = -1;
    let end = -1;
    for (const frame of Float64Array.from(this.#written).sort()) {
      if (frame >= firstKept && frame < endOfKept) {
        kept.push(frame);
      } else if (frame === end) {
        end++;
      } else {
        this.#fill(first, end);
        first = frame;
        end = frame + 1;
      }
    }
    this.#fill(first, end);
    this.#written.clear();
    for (const frame of kept) this.#written.add(frame);
  }

  /** Copies `bytes` to physical address `address`. @throws MachineError 'failed', for example when storage is full */
  write(address: number, bytes: Uint8Array): void {
    this.#noteWritten(address, bytes.length);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.descriptor, bytes, done, bytes.length - done, address + done);
      }
    } catch (cause) {
      throw this.#failure(`cannot write ${bytes.length} bytes of guest memory at ${hex(address)}`, cause);
    }
  }

  /** Fills `bytes` from physical address `address`. */
  read(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(this.descriptor, bytes, done, bytes.length - done, address + done);
      if (count === 0) {
        throw new MachineError(
          this.#machine,
          'failed',
          `guest memory ends before ${hex(address + bytes.length)}`,
        );
      }
      done += count;
    }
  }

  readU32(address: number): number {
    readSync(this.descriptor, this.#word, 0, 4, address);
    return this.#word.readUInt32LE(0);
  }

  writeU32(address: number, value: number): void {
    this.#word.writeUInt32LE(value >>> 0, 0);
    this.write(address, this.#word.subarray(0, 4));
  }

  readU64(address: number): bigint {
    readSync(this.descriptor, this.#word, 0, 8, address);
    return this.#word.readBigUInt64LE(0);
  }

  writeU64(address: number, value: bigint): void {
    this.#word.writeBigUInt64LE(value, 0);
    this.write(address, this.#word);
  }

  /** Copies all ranges of `memory` to where they belong; zero pieces are skipped. The ranges must lie in the RAM. */
  writeMemory(memory: PhysicalMemory): void {
    for (const range of memory.ranges) {
      const bytes = bytesOf(range);
      for (let start = 0; start < bytes.length; start += PIECE) {
        const piece = bytes.subarray(start, start + PIECE);
        if (Buffer.compare(piece, ZEROS.subarray(0, piece.length)) === 0) continue;
        this.write(range.firstFrame * FRAME_SIZE + start, piece);
      }
    }
  }

  /** Reads all ranges of `memory` from the RAM into the same ranges. */
  readMemory(memory: PhysicalMemory): void {
    for (const range of memory.ranges) this.read(range.firstFrame * FRAME_SIZE, bytesOf(range));
  }

  /** Gives the storage back (once no emulator has it open). Safe to call more than once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.descriptor);
  }

  #noteWritten(address: number, length: number): void {
    const end = Math.ceil((address + length) / FRAME_SIZE);
    for (let frame = Math.floor(address / FRAME_SIZE); frame < end && this.canClear; frame++) {
      this.#written.add(frame);
    }
  }

  /** Fills the frames [first, end) with zeros. */
  #fill(first: number, end: number): void {
    for (let address = first * FRAME_SIZE; address < end * FRAME_SIZE; address += PIECE) {
      this.write(address, ZEROS.subarray(0, Math.min(PIECE, end * FRAME_SIZE - address)));
    }
  }

  #failure(what: string, cause: unknown): MachineError {
    return new MachineError(
      this.#machine,
      'failed',
      `${what} (a file in ${this.#folder}): ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

/** The first address behind all ranges. */
export function endOfMemory(memory: PhysicalMemory): number {
  const last = memory.ranges.at(-1);
  return last === undefined ? 0 : (last.firstFrame + last.frameCount) * FRAME_SIZE;
}

/** Bytes in all ranges. */
export function sizeOfMemory(memory: PhysicalMemory): number {
  return memory.ranges.reduce((sum, range) => sum + range.frameCount * FRAME_SIZE, 0);
}

function bytesOf(range: MemoryRange): Uint8Array {
  return new Uint8Array(range.words.buffer, range.words.byteOffset, range.words.byteLength);
}

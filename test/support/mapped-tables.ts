import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import {
  type FrameAllocator,
  MappedPageTable,
  type MapperOptions,
  Page,
  type PageSize,
  PhysFrame,
  Size4KiB,
} from '../../src/x64/mapper/index.ts';

/** Where the root of the tables is: 1 MiB. */
export const BASE = 0x10_0000;
const FRAMES = 64;

/** Tables in 64 frames from 1 MiB: the root first, then what the allocator gives. */
export class MappedTables {
  readonly memory = PhysicalMemory.allocate(BASE, FRAMES * 4096);
  readonly table: MappedPageTable;
  readonly frames = new CountingFrames(FRAMES - 1);

  constructor(options: MapperOptions = {}) {
    this.table = new MappedPageTable(this.memory, PhysFrame.fromStartAddress(Size4KiB, BASE), options);
  }

  /** A copy of all table memory. */
  bytes(): Buffer {
    const words = this.memory.ranges[0]?.words;
    return words === undefined ? Buffer.alloc(0) : Buffer.from(words.slice().buffer);
  }

  /** Whether no word of table memory has changed since. */
  isStill(before: Buffer): boolean {
    return this.bytes().equals(before);
  }
}

export class CountingFrames implements FrameAllocator {
  remaining: number;
  readonly given: number[] = [];
  #next = BASE / 4096 + 1;
  readonly #back: number[] = [];

  constructor(remaining: number) {
    this.remaining = remaining;
  }

  allocateFrame(): PhysFrame<Size4KiB> | undefined {
    if (this.remaining === 0) return undefined;
    this.remaining--;
    const frame = this.#back.pop() ?? this.#next++;
    this.given.push(frame);
    return frame as PhysFrame<Size4KiB>;
  }

  deallocateFrame(frame: PhysFrame<Size4KiB>): void {
    this.remaining++;
    this.given.splice(this.given.indexOf(frame), 1);
    this.#back.push(frame);
  }
}

/** The page of a size at an address. */
export const page = <S extends PageSize>(size: S, address: number | bigint) =>
  Page.fromStartAddress(size, address);
/** The frame of a size at an address. */
export const frame = <S extends PageSize>(size: S, address: number | bigint) =>
  PhysFrame.fromStartAddress(size, address);

/** What a call gives, or the error that it throws, as text. */
export function outcomeOf<T>(act: () => T): T | string {
  try {
    return act();
  } catch (error) {
    return String(error);
  }
}

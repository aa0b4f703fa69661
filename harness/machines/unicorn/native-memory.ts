import { isMainThread } from 'node:worker_threads';
import koffi from 'koffi';

/** Views beyond this abort Node. */
const MAX_VIEW_BYTES = 2 ** 32;
const PAGE_BYTES = 4096;
/** Larger memory is given back to the system when it is released. */
const MAX_KEPT_BYTES = 2 ** 28;
const MAX_KEPT = 8;

// <sys/mman.h> on Linux.
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MADV_DONTNEED = 4;
const MAP_FAILED = 2n ** 64n - 1n;

interface MemoryCalls {
  mmap(
    near: number,
    bytes: number,
    protection: number,
    flags: number,
    file: number,
    at: number,
  ): number | bigint;
  munmap(address: number, bytes: number): number;
  madvise(address: number, bytes: number, advice: number): number;
}
let calls: MemoryCalls | undefined;

function memoryCalls(): MemoryCalls {
  if (calls === undefined) {
    const c = koffi.load('libc.so.6');
    calls = {
      mmap: c.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
      munmap: c.func('int munmap(uintptr_t, size_t)'),
      madvise: c.func('int madvise(uintptr_t, size_t, int)'),
    };
  }
  return calls;
}

/**
 * Zeroed memory outside of the JavaScript heap, at an address that native code may keep. Pages that nobody
 * touches cost nothing. What is released is used again, because a view is a small allocation that stays until
 * the garbage collector runs: one for each image would leave the process's heap in pieces.
 */
export class NativeMemory {
  static readonly #kept: NativeMemory[] = [];

  readonly address: number;
  readonly capacity: number;
  readonly #whole: ArrayBuffer | undefined;

  /** Memory of at least that size. @throws RangeError if the system cannot provide so much address space */
  static acquire(bytes: number): NativeMemory {
    const kept = NativeMemory.#kept;
    const at = kept.findIndex(({ capacity }) => capacity >= bytes);
    const found = at >= 0 ? kept.splice(at, 1)[0] : undefined;
    return found ?? new NativeMemory(2 ** Math.ceil(Math.log2(Math.max(bytes, PAGE_BYTES))));
  }

  private constructor(capacity: number) {
    const address = memoryCalls().mmap(0, capacity, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
    if (BigInt(address) === MAP_FAILED) {
      throw new RangeError(
        `the system cannot provide ${capacity} bytes of address space for the guest's memory`,
      );
    }
    this.address = Number(address);
    this.capacity = capacity;
    if (capacity <= MAX_VIEW_BYTES) this.#whole = koffi.view(this.address, capacity);
  }

  /** The bytes [offset, offset + length) without a copy; at most 4 GiB. Not to be used after {@link release}. */
  view(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (offset < 0 || length > MAX_VIEW_BYTES || offset + length > this.capacity) {
      throw new RangeError(`no view of ${length} bytes at ${offset} in ${this.capacity} bytes`);
    }
    return this.#whole === undefined
      ? new Uint8Array(koffi.view(this.address + offset, length))
      : new Uint8Array(this.#whole, offset, length);
  }

  /** Gives the pages back. To be called once, when no native code uses the memory any more. */
  release(): void {
    // A thread's memory would stay when the thread ends.
    if (!isMainThread || this.capacity > MAX_KEPT_BYTES || NativeMemory.#kept.length >= MAX_KEPT) {
      memoryCalls().munmap(this.address, this.capacity);
      return;
    }
    memoryCalls().madvise(this.address, this.capacity, MADV_DONTNEED);
    NativeMemory.#kept.push(this);
    NativeMemory.#kept.sort((a, b) => a.capacity - b.capacity);
  }
}

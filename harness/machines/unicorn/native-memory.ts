import koffi from 'koffi';

/** Views beyond this abort Node. */
const MAX_VIEW_BYTES = 2 ** 32;

// <sys/mman.h> on Linux.
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MAP_FAILED = 2n ** 64n - 1n;

interface MemoryCalls {
  mmap(
    near: number,
    bytes: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ): number | bigint;
  munmap(address: number, bytes: number): number;
}
let calls: MemoryCalls | undefined;

function memoryCalls(): MemoryCalls {
  if (calls === undefined) {
    const c = koffi.load('libc.so.6');
    calls = {
      mmap: c.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
      munmap: c.func('int munmap(uintptr_t, size_t)'),
    };
  }
  return calls;
}

/**
 * Zeroed memory outside of the JavaScript heap, at an address that native code may keep. Pages that nobody
 * touches cost nothing. Its views must not be used after {@link free}.
 */
export class NativeMemory {
  readonly address: number;
  readonly bytes: number;
  #isFree = false;

  /** @throws RangeError if the system cannot provide that much address space */
  constructor(bytes: number) {
    const address = memoryCalls().mmap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
    if (BigInt(address) === MAP_FAILED) {
      throw new RangeError(
        `the system cannot provide ${bytes} bytes of address space for the guest's memory`,
      );
    }
    this.address = Number(address);
    this.bytes = bytes;
  }

  /** The bytes [offset, offset + length) without a copy; at most 4 GiB. */
  view(offset: number, length: number): ArrayBuffer {
    if (offset < 0 || length > MAX_VIEW_BYTES || offset + length > this.bytes) {
      throw new RangeError(`no view of ${length} bytes at ${offset} in ${this.bytes} bytes`);
    }
    return koffi.view(this.address + offset, length);
  }

  /** Gives the memory back. Safe to call more than once. */
  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    memoryCalls().munmap(this.address, this.bytes);
  }
}

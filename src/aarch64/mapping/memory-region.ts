import { type Address, addressOfPage, FRAME_SIZE, hex, toBigInt } from '../../addresses.ts';

/** Bytes of the 64-bit address space, and its pages. */
const SPACE = 1n << 64n;
const SPACE_PAGES = 2 ** 52;
const OFFSET_MASK = BigInt(FRAME_SIZE - 1);
/** Not computed from the imported size, which V8 would read anew in every call. */
const PAGES_PER_BYTE = 2 ** -12;

/**
 * A range of virtual addresses in whole pages: the start is rounded down to a multiple of 4096, the end, which is
 * exclusive, up. As in the original an end within the last page of the address space rounds up to 0; a range that
 * is to have the last page ends at 2^64 exactly.
 */
export class MemoryRegion {
  /** Number of the first page. */
  readonly startPage: number;
  /** Number of the first page behind the range: 2^52 if the range ends with the address space. */
  readonly endPage: number;

  /** @throws RangeError for an address that is negative or does not fit in 64 bits (the end: beyond 2^64) */
  constructor(start: Address, end: Address) {
    this.startPage = pageBelow(start);
    this.endPage = pageAbove(end);
  }

  /** The range from one page number up to another. */
  static ofPages(startPage: number, endPage: number): MemoryRegion {
    return new MemoryRegion(addressOfPage(startPage), addressOfPage(endPage));
  }

  /** First address. */
  get start(): bigint {
    return addressOfPage(this.startPage);
  }

  /** First address behind the range; 2^64 if it has the last page. */
  get end(): bigint {
    return addressOfPage(this.endPage);
  }

  /** Length in bytes; negative if the range is backwards. */
  get length(): bigint {
    return this.end - this.start;
  }

  get isEmpty(): boolean {
    return this.startPage === this.endPage;
  }

  toString(): string {
    return `${hex(this.start)}..${hex(this.end)}`;
  }
}

function pageBelow(start: Address): number {
  if (typeof start === 'number' && Number.isSafeInteger(start) && start >= 0) {
    return Math.floor(start * PAGES_PER_BYTE);
  }
  return Number(toBigInt(start, 'start') >> 12n);
}

function pageAbove(end: Address): number {
  if (typeof end === 'number' && Number.isSafeInteger(end) && end >= 0)
    return Math.ceil(end * PAGES_PER_BYTE);
  if (end === SPACE) return SPACE_PAGES;
  return Number(BigInt.asUintN(64, toBigInt(end, 'end') + OFFSET_MASK) >> 12n);
}

import { type Address, addressOfPage, hex, pageNumberOf, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import type { PageSize } from './page-size.ts';
import { notCanonical, type VirtAddr } from './virt-addr.ts';

declare const pageOf: unique symbol;

/**
 * A virtual page of size `S`. At run time it is a number, the 4 KiB page number (address / 4096) of its start, so
 * that a page costs nothing; the type keeps sizes apart.
 */
export type Page<S extends PageSize> = number & { readonly [pageOf]: S };

/** First address behind the lower half with 48-bit addresses, and behind the exact integers. */
const LOWER_HALF_BYTES = 2 ** 47;
const EXACT_BYTES = 2 ** 53;
const EXACT_END = BigInt(EXACT_BYTES);
const PAGES_PER_BYTE = 2 ** -12;
/** Less bytecode than `Math.floor`, see leaf-tables.ts. */
const { floor } = Math;
const LOWER_HALF_END = { 48: 2 ** 35, 57: 2 ** 44 } as const;
const UPPER_HALF_START = { 48: 2 ** 52 - 2 ** 35, 57: 2 ** 52 - 2 ** 44 } as const;

/** Constructors and arithmetic of {@link Page}, as `Page` of the x86_64 crate. */
export const Page = {
  /**
   * The page that starts at an address.
   * @param bits width of virtual addresses: 48 with 4-level, 57 with 5-level paging
   * @throws PageTableError VirtAddrNotValid, PageNotAligned
   */
  fromStartAddress<S extends PageSize>(size: S, address: Address, bits: 48 | 57 = 48): Page<S> {
    if (typeof address === 'number') {
      const units = address * size.perByte;
      const end = bits === 48 ? LOWER_HALF_BYTES : EXACT_BYTES;
      if (address >= 0 && address < end && units === floor(units))
        return (address * PAGES_PER_BYTE) as Page<S>;
    }
    return startPage(size, address, bits);
  },

  /** The page that contains an address. @throws PageTableError VirtAddrNotValid */
  containingAddress<S extends PageSize>(size: S, address: Address, bits: 48 | 57 = 48): Page<S> {
    const page = canonicalPage(address, bits);
    return (page - (page % size.frames)) as Page<S>;
  },

  startAddress(page: Page<PageSize>): VirtAddr {
    return addressOfPage(page) as VirtAddr;
  },

  /** The pages from `start` up to, not including, `end`. */
  range<S extends PageSize>(size: S, start: Page<S>, end: Page<S>): PageRange<S> {
    return new PageRange(size, start, end);
  },

  /** The pages from `start` up to and including `end`. */
  rangeInclusive<S extends PageSize>(size: S, start: Page<S>, end: Page<S>): PageRange<S> {
    return new PageRange(size, start, (end + size.frames) as Page<S>);
  },
} as const;

/** Consecutive pages of one size; `end` is not part of it. */
export class PageRange<S extends PageSize> implements Iterable<Page<S>> {
  readonly size: S;
  readonly start: Page<S>;
  readonly end: Page<S>;

  constructor(size: S, start: Page<S>, end: Page<S>) {
    this.size = size;
    this.start = start;
    this.end = end;
  }

  /** Number of pages. */
  get length(): number {
    return Math.max(0, (this.end - this.start) / this.size.frames);
  }

  *[Symbol.iterator](): Generator<Page<S>> {
    for (let page: number = this.start; page < this.end; page += this.size.frames) yield page as Page<S>;
  }
}

/** {@link Page.fromStartAddress} for addresses that are not plain. */
function startPage<S extends PageSize>(size: S, address: Address, bits: 48 | 57): Page<S> {
  if (typeof address === 'bigint' && address >= 0n && address < EXACT_END) {
    return Page.fromStartAddress(size, Number(address), bits);
  }
  const page = canonicalPage(address, bits);
  const aligned =
    typeof address === 'number' ? address % size.bytes === 0 : address % BigInt(size.bytes) === 0n;
  if (!aligned) {
    throw new PageTableError('PageNotAligned', `${hex(address)} is not the start of a ${size.name} page`, {
      address: toBigInt(address),
    });
  }
  return page as Page<S>;
}

function canonicalPage(address: Address, bits: 48 | 57): number {
  const page = pageNumberOf(address, 'virtual address');
  if (page >= LOWER_HALF_END[bits] && page < UPPER_HALF_START[bits])
    throw notCanonical(toBigInt(address), bits);
  return page;
}

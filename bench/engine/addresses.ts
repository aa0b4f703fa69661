import type { Address } from '../../src/addresses.ts';

/** V8 folds constants that are not exported into the code; exported ones are loaded and checked each time. */
const START = 0x40_0000_0000;
const PAGE_BYTES = 4096;
const PERMUTED_PAGES = 2 ** 20;
const OFFSET_IN_PAGE = 0x123;

/** Where the workloads map: 256 GiB. */
export const S = START;
export const PAGE = PAGE_BYTES;

/** How far into a page {@link AddressForm.inPage} leads. */
export const IN_PAGE = OFFSET_IN_PAGE;

/** How a user writes addresses. Pages are below 2^20. */
export interface AddressForm {
  /** The address `S + 4096 * page`. */
  address(page: number): Address;
  /** The first address behind that page. */
  end(page: number): Address;
  /** The address {@link IN_PAGE} bytes into that page. */
  inPage(page: number): Address;
  size(bytes: number): Address;
}

export const NUMBERS: AddressForm = {
  address: (page) => START + page * PAGE_BYTES,
  end: (page) => S + page * PAGE + PAGE,
  inPage: (page) => START + page * PAGE_BYTES + OFFSET_IN_PAGE,
  size: (bytes) => bytes,
};

const starts = once(() => bigints(0));
const ends = once(() => bigints(PAGE));
const inPages = once(() => bigints(IN_PAGE));

/** Ready-made: a caller who has bigints does not make them from numbers for each call. */
export const BIGINTS: AddressForm = {
  address: (page) => starts()[page] as bigint,
  end: (page) => ends()[page] as bigint,
  inPage: (page) => inPages()[page] as bigint,
  size: BigInt,
};

function bigints(offset: number): bigint[] {
  return Array.from({ length: PERMUTED_PAGES }, (_, page) => BigInt(S + page * PAGE + offset));
}

/** Strides of {@link strided}: page after page, and jumping from table to table. */
export const SEQUENTIAL = 1;
export const PERMUTED = 40_503;

/** The page of a call; a bijection on 2^20 pages. */
export function strided(call: number, stride: number): number {
  return Math.imul(call, stride) & (PERMUTED_PAGES - 1);
}

/** A value that is made when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

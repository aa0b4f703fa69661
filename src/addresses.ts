/**
 * Addresses at the public boundary and page numbers inside.
 *
 * A caller may give an address as a `bigint` or as a `number` (a safe integer). Inside the engine nothing
 * is a bigint: a 57-bit virtual address is a 45-bit page number and a 52-bit physical address a 40-bit
 * frame number, both exact in a double.
 */

/** A physical or virtual address or a size in bytes: a bigint below 2^64, or a non-negative safe integer. */
export type Address = bigint | number;

/** log2 of the size of a page frame of physical memory. All frame numbers count frames of this size. */
export const FRAME_SHIFT = 12;
/** Bytes in a page frame. */
export const FRAME_SIZE = 1 << FRAME_SHIFT;
/** 32-bit words in a page frame. */
export const WORDS_PER_FRAME = FRAME_SIZE / 4;

const TWO_TO_32 = 0x1_0000_0000;
const U64_END = 1n << 64n;

/**
 * The address as an unsigned 64-bit bigint.
 * @throws RangeError if it is negative, not below 2^64, or a number that is not a safe integer
 */
export function toBigInt(address: Address, what = 'address'): bigint {
  if (typeof address === 'bigint') {
    if (address < 0n || address >= U64_END) {
      throw new RangeError(`${what} ${address} does not fit in 64 bits`);
    }
    return address;
  }
  if (!Number.isSafeInteger(address) || address < 0) {
    throw new RangeError(
      `${what} ${address} is not a non-negative safe integer; give addresses beyond 2^53 as bigint`,
    );
  }
  return BigInt(address);
}

/** The number of the 4 KiB page that holds the address. @throws RangeError as {@link toBigInt} */
export function pageNumberOf(address: Address, what = 'address'): number {
  if (typeof address === 'number' && Number.isSafeInteger(address) && address >= 0) {
    return Math.floor(address / FRAME_SIZE);
  }
  return Number(toBigInt(address, what) >> 12n);
}

/** The first address of a page or frame. */
export function addressOfPage(pageNumber: number): bigint {
  return BigInt(pageNumber) << 12n;
}

/** `0x…` in lower case without padding, for messages and reports. */
export function hex(value: Address): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/**
 * The frame number in the address field (bits 51:12) of an x64 entry or a 4 KiB-granule AArch64 descriptor
 * given as two 32-bit words.
 */
export function frameOfEntry(low: number, high: number): number {
  return (high & 0xfffff) * 0x10_0000 + (low >>> 12);
}

/** Two unsigned 32-bit words as a bigint. */
export function wordsToBigInt(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** Two unsigned 32-bit words as a double; exact below 2^53. */
export function wordsToNumber(low: number, high: number): number {
  return (high >>> 0) * TWO_TO_32 + (low >>> 0);
}

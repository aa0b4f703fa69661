import { hex } from '../addresses.ts';
import { PageTableError } from '../errors.ts';

/** Which addresses the tables of an architecture translate, and which of them may be mapped. */
export interface AddressSpace {
  /** Bits of a virtual address that the tables translate. */
  readonly translatedBits: number;
  /** Whether the CPU wants the highest translated bit copied into the bits above it (canonical addresses). */
  readonly signExtended: boolean;
  /**
   * A range of whole pages that ends at or below this address needs no further check. At most 2^53 − 1, so that
   * its addresses are exact as numbers.
   */
  readonly plainEnd: number;
  /** Refuses a range that cannot be mapped or unmapped. @throws PageTableError */
  checkEdit(address: bigint, size: bigint): void;
  /** Refuses a range that cannot be queried. @throws PageTableError */
  checkQuery(address: bigint, size: bigint): void;
}

/** @throws PageTableError InvalidMemoryRange, UnalignedAddress, UnalignedMemoryRange */
export function checkWholePages(address: bigint, size: bigint): void {
  if (size === 0n) {
    throw new PageTableError('InvalidMemoryRange', `the range at ${hex(address)} has the size 0`);
  }
  if ((address & 0xfffn) !== 0n) {
    throw new PageTableError('UnalignedAddress', `address ${hex(address)} is no multiple of 4096`);
  }
  if ((size & 0xfffn) !== 0n) {
    throw new PageTableError(
      'UnalignedMemoryRange',
      `size ${hex(size)} of the range at ${hex(address)} is no multiple of 4096`,
    );
  }
}

/** Refuses ranges that reach into what the tables reserve for themselves. @throws PageTableError InvalidMemoryRange */
export function checkBelowReserved(address: bigint, size: bigint, lastUsable: bigint): void {
  const last = address + size - 1n;
  if (last > lastUsable) {
    throw new PageTableError(
      'InvalidMemoryRange',
      `the range ${hex(address)} – ${hex(last)} ends behind ${hex(lastUsable)}, the last address that can be mapped`,
    );
  }
}

import { hex } from '../../../src/addresses.ts';
import type { AArch64Layout, LayoutMode, X64Layout } from './layout.ts';

/** Where a region may lie: what the processor can address in this mode, virtually and physically. */
export interface AddressSpace {
  /** For messages: "4-level paging". */
  readonly name: string;
  /** Width of a virtual address in bits. */
  readonly virtualBits: number;
  /** Whether addresses are sign-extended, so that there is an upper half (x64). */
  readonly canonical: boolean;
  /** Width of a physical address that a table entry can hold. */
  readonly physicalBits: number;
}

/** Intel SDM Vol. 3A §4.5. */
const X64: Readonly<Record<X64Layout['paging'], AddressSpace>> = {
  '4-level': { name: '4-level paging', virtualBits: 48, canonical: true, physicalBits: 52 },
  '5-level': { name: '5-level paging', virtualBits: 57, canonical: true, physicalBits: 52 },
};

/** Arm ARM D8.2: one range of 48 bits from TTBR0. */
const AARCH64_48_BITS = { virtualBits: 48, canonical: false, physicalBits: 48 };

const AARCH64: Readonly<Record<AArch64Layout['regime'], AddressSpace>> = {
  el1: { name: 'EL1 (TTBR0)', ...AARCH64_48_BITS },
  el2: { name: 'EL2', ...AARCH64_48_BITS },
};

const ADDRESS_END = 1n << 64n;

/** The address space of a layout's mode. */
export function addressSpaceOf(mode: LayoutMode): AddressSpace {
  return mode.architecture === 'x64' ? X64[mode.paging] : AARCH64[mode.regime];
}

/** Why nothing can be mapped from `start` up to, not including, `end`; undefined if it can. */
export function unmappable(space: AddressSpace, start: bigint, end: bigint): string | undefined {
  if (end > ADDRESS_END) {
    return `the region ends at ${hex(end)}, beyond the last address ${hex(ADDRESS_END - 1n)}`;
  }
  const lowerEnd = 1n << BigInt(space.virtualBits - (space.canonical ? 1 : 0));
  const upperStart = space.canonical ? ADDRESS_END - lowerEnd : ADDRESS_END;
  if (end <= lowerEnd || start >= upperStart) return undefined;
  const wrong = start >= lowerEnd ? start : lowerEnd;
  return space.canonical
    ? `address ${hex(wrong)} is not canonical with ${space.name}`
    : `address ${hex(wrong)} is beyond the ${space.virtualBits}-bit range of ${space.name}`;
}

/** Why no table entry can lead to the physical addresses up to, not including, `end`; undefined if it can. */
export function unreachable(space: AddressSpace, end: bigint): string | undefined {
  return end > 1n << BigInt(space.physicalBits)
    ? `${hex(end - 1n)} is no ${space.physicalBits}-bit physical address`
    : undefined;
}

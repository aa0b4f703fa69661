import { hex } from '../../../src/addresses.ts';
import { geometryOf, MOST_ADDRESS_BITS } from './aarch64-geometry.ts';
import type { AArch64Layout, LayoutMode, RegimeName, X64Layout } from './layout.ts';

/** Where a region may lie: what the processor can address in this mode, virtually and physically. */
export interface AddressSpace {
  /** For messages: "4-level paging". */
  readonly name: string;
  /** Width of the addresses from 0 on that can be mapped. */
  readonly lowerBits: number;
  /** Whether as many addresses up to the last of 64 bits can be mapped too. */
  readonly hasUpper: boolean;
  /** What is said of an address that cannot be mapped. */
  readonly problem: string;
  /** Width of a physical address that a table entry can hold, or that is declared. */
  readonly physicalBits: number;
  /** Bytes of a page. */
  readonly pageBytes: bigint;
}

/** Intel SDM Vol. 3A §4.5. */
const X64: Readonly<Record<X64Layout['paging'], AddressSpace>> = {
  '4-level': x64Space('4-level paging', 47),
  '5-level': x64Space('5-level paging', 56),
};

function x64Space(name: string, lowerBits: number): AddressSpace {
  const problem = `is not canonical with ${name}`;
  return { name, lowerBits, hasUpper: true, problem, physicalBits: 52, pageBytes: 4096n };
}

/** Regimes by the names of the Arm ARM, and whether they have a lower and an upper range (D8.1.2). */
const REGIMES: Readonly<Record<RegimeName, { readonly name: string; readonly hasUpper: boolean }>> = {
  el1: { name: 'EL1&0', hasUpper: true },
  el2: { name: 'EL2', hasUpper: false },
  'el2-vhe': { name: 'EL2&0', hasUpper: true },
  el3: { name: 'EL3', hasUpper: false },
  stage2: { name: 'stage 2', hasUpper: false },
};

function aarch64Space(mode: Omit<AArch64Layout, 'regions'>): AddressSpace {
  const { name, hasUpper } = REGIMES[mode.regime];
  const { vaBits, pageShift } = geometryOf(mode);
  return {
    name,
    lowerBits: vaBits,
    hasUpper,
    problem: hasUpper
      ? `is in neither ${vaBits}-bit half of ${name}`
      : `is beyond the ${vaBits}-bit range of ${name}`,
    physicalBits: mode.paBits ?? MOST_ADDRESS_BITS,
    pageBytes: 1n << BigInt(pageShift),
  };
}

const ADDRESS_END = 1n << 64n;

/** The address space of a layout's mode. */
export function addressSpaceOf(mode: LayoutMode): AddressSpace {
  return mode.architecture === 'x64' ? X64[mode.paging] : aarch64Space(mode);
}

/** Why nothing can be mapped from `start` up to, not including, `end`; undefined if it can. */
export function unmappable(space: AddressSpace, start: bigint, end: bigint): string | undefined {
  if (end > ADDRESS_END) {
    return `the region ends at ${hex(end)}, beyond the last address ${hex(ADDRESS_END - 1n)}`;
  }
  const lowerEnd = 1n << BigInt(space.lowerBits);
  const upperStart = space.hasUpper ? ADDRESS_END - lowerEnd : ADDRESS_END;
  if (end <= lowerEnd || start >= upperStart) return undefined;
  return `address ${hex(start >= lowerEnd ? start : lowerEnd)} ${space.problem}`;
}

/** Why no table entry can lead to the physical addresses up to, not including, `end`; undefined if it can. */
export function unreachable(space: AddressSpace, end: bigint): string | undefined {
  return end > 1n << BigInt(space.physicalBits)
    ? `${hex(end - 1n)} is no ${space.physicalBits}-bit physical address`
    : undefined;
}

/** What is wrong with an address or a size that is to be whole pages; undefined if nothing is. */
export function unaligned({ pageBytes }: AddressSpace, what: string, value: bigint): string | undefined {
  return value % pageBytes === 0n
    ? undefined
    : `${what} ${hex(value)} is not a multiple of ${pageBytes} (${hex(pageBytes)})`;
}

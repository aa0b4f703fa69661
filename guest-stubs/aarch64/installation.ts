import { cpuFeaturesOf } from '../../src/aarch64/walk-cpu.ts';
import type { Access, Privilege } from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { Hcr, PHYSICAL_ADDRESS_BITS, read, replace, type Tcr } from './control-registers.ts';

/** The tables under test and the stub, installed together. */
export interface Installation {
  /** Where the stub's loop sees its region. */
  readonly stubAddress: bigint;
  /** What the system registers of the level under test must hold. */
  readonly registers: AArch64Registers;
  /** TTBR0 of tables under which EL3's MMU is switched on and off (PROTOCOL.md); elsewhere 0. */
  readonly bridge: bigint;
  /** The stub's tables, to be written to the region at {@link tablesOffset}. */
  readonly tables: Uint8Array;
  readonly tablesOffset: number;
}

/** Fills bytes from a physical address of the guest's memory. */
export type ReadMemory = (address: number, bytes: Uint8Array) => void;

/**
 * How the stub lives beside the tables under test. There are two installations; each serves the addresses that
 * the other cannot, because it is mapped there.
 */
export interface StubPlan {
  /** Which installation an access to this address (as two 32-bit words) is made from. */
  installationFor(low: number, high: number): 0 | 1;
  /**
   * The installation with the stub's region at a physical address.
   * @param readMemory where a root table must be copied: reads the guest's memory as it is now
   * @param tablesOffset where in the region the stub's tables are to be; TABLES_OFFSET where absent
   */
  install(which: 0 | 1, region: number, readMemory: ReadMemory, tablesOffset?: number): Installation;
  /** The root table that installations copy and the processor then uses instead; undefined if none. */
  readonly copiedRoot: CopiedRoot | undefined;
  /** Physical address below which all of the stub's region must lie; Infinity where it may lie anywhere. */
  readonly regionLimit: number;
  /** See BatchContext of decode-results.ts. */
  readonly isFetchTypeKnown: boolean;
  /**
   * Where addresses pass stage 1 as they are: the physical address size that the image assumes, in bits. What is above is
   * only answered as the image expects by a processor with just that.
   */
  readonly flatBits?: number;
  /** Intermediate physical addresses that are the stub's in every installation; absent where there are none. */
  readonly intermediateRegion?: { readonly start: number; readonly bytes: number };
  /** Whether an access (to an address as two words) leads there, by a table of stage 1 or past it; absent where none does. */
  meetsStub?(low: number, high: number, access: Access, privilege: Privilege): boolean;
}

/** Bytes of a table entry. */
export const ENTRY_BYTES = 8;

export interface CopiedRoot {
  readonly address: number;
  readonly bytes: number;
  /** The borrowed entry of each installation: in the copy it leads to the stub. */
  readonly slots: readonly [number, number];
}

/**
 * TCR with IPS or PS lowered to what the image assumes of the processor: the smaller of the two counts
 * (Arm ARM D8.2.3), so a processor with more behaves as one with just that.
 */
export function withPhysicalSize(registers: AArch64Registers, where: typeof Tcr.Ips): bigint {
  const assumed = cpuFeaturesOf(registers).physicalAddressBits;
  const limit = PHYSICAL_ADDRESS_BITS.findLastIndex((bits) => bits <= assumed);
  return limit >= 0 && limit < read(registers.tcr, where)
    ? replace(registers.tcr, where, limit)
    : registers.tcr;
}

/** Of TTBR. */
const ASID_AND_CNP = 0xffff_0000_0000_0001n;

/** TTBR with another table; bits 51:48 of its address stand in 5:2 (FEAT_LPA2, Arm ARM D19.2.152). */
export function withAsidOf(ttbr: bigint, address: bigint): bigint {
  return (ttbr & ASID_AND_CNP) | BigInt.asUintN(48, address) | ((address >> 48n) << 2n);
}

export function unfit(registers: AArch64Registers, name: keyof AArch64Registers, why: string): RangeError {
  const value = registers[name];
  const shown = typeof value === 'bigint' ? hex(value) : value;
  return new RangeError(`${name} ${shown}: ${why}`);
}

/** Whether stage 2 is on for EL1&0. */
export function hasStageTwo({ exceptionLevel, hcrEl2 }: AArch64Registers): boolean {
  return exceptionLevel === 1 && (read(hcrEl2, Hcr.Vm) === 1 || read(hcrEl2, Hcr.Dc) === 1);
}

import { cpuFeaturesOf } from '../../src/aarch64/walk-cpu.ts';
import { hex } from '../../src/addresses.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import {
  Hcr,
  PHYSICAL_ADDRESS_BITS,
  read,
  replace,
  Sctlr,
  TCR_LOWER_HALF,
  TCR_UPPER_HALF,
  Tcr,
} from './control-registers.ts';
import { GRANULE_4K, type Granule, granuleOfTg0, granuleOfTg1, rootLevel, spanShift } from './granule.ts';
import { buildStubTables, type StubTablesForm, stubAttributeIndex, stubOffset } from './stub-tables.ts';

/** The tables under test and the stub, installed together. */
export interface Installation {
  /** Where the stub's loop sees its region. */
  readonly stubAddress: bigint;
  /** What the system registers of the level under test must hold. */
  readonly registers: AArch64Registers;
  /** The stub's tables, to be written to the region at TABLES_OFFSET. */
  readonly tables: Uint8Array;
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
   */
  install(which: 0 | 1, region: number, readMemory: ReadMemory): Installation;
  /** The root table that installations copy and the processor then uses instead; undefined if none. */
  readonly copiedRoot: CopiedRoot | undefined;
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
 * The plan for a set of registers.
 * @param readMemory reads the guest's memory as the image fills it: free root entries are preferred
 * @throws RangeError naming the register if the stub cannot run under these registers
 */
export function planStub(registers: AArch64Registers, readMemory: ReadMemory): StubPlan {
  if (read(registers.sctlr, Sctlr.M) === 0) throw unfit(registers, 'sctlr', 'the MMU is off (M = 0)');
  if (read(registers.sctlr, Sctlr.Ee) === 1)
    throw unfit(registers, 'sctlr', 'tables are big-endian (EE = 1)');
  if (read(registers.hcrEl2, Hcr.E2h) === 1) throw unfit(registers, 'hcrEl2', 'E2H = 1 is not supported yet');
  if (registers.exceptionLevel === 3) throw unfit(registers, 'exceptionLevel', 'EL3 is not supported yet');
  if (registers.exceptionLevel === 2) return planEl2(registers, readMemory);
  for (const [name, bit] of [
    ['VM', Hcr.Vm],
    ['DC', Hcr.Dc],
    ['TGE', Hcr.Tge],
  ] as const) {
    if (read(registers.hcrEl2, bit) === 1)
      throw unfit(registers, 'hcrEl2', `${name} = 1 is not supported yet`);
  }
  return planEl1And0(registers);
}

/** TG1 of 4 KiB (it is encoded differently from TG0). */
const TG1_4K = 2;
/** Address bits of the half that the stub maps for itself: one root of 512 entries. */
const OWN_HALF_BITS = 39;
const OWN_HALF_TXSZ = 64 - OWN_HALF_BITS;
/** Not the first: address 0 stays unmapped. */
const OWN_HALF_SLOT = 1;

/**
 * EL1&0: each half is probed from the other. The half that is probed has its own TTBR and all of its TCR fields;
 * the other half belongs to the stub for that time, so that nothing under test is copied or changed.
 */
function planEl1And0(registers: AArch64Registers): StubPlan {
  const form = (region: number): StubTablesForm => ({
    region,
    granule: GRANULE_4K,
    rootLevel: rootLevel(GRANULE_4K, OWN_HALF_BITS),
    rootBytes: 2 ** GRANULE_4K.shift,
    slot: OWN_HALF_SLOT,
    attributeIndex: stubAttributeIndex(registers.mair),
    hasUser: true,
  });
  const tcr = withPhysicalSize(registers, Tcr.Ips);
  const sctlr = replace(replace(registers.sctlr, Sctlr.Span, 1), Sctlr.E0e, 0);
  const hcrEl2 = replace(0n, Hcr.Rw, 1);
  return {
    copiedRoot: undefined,
    // Bit 55 chooses the half, with and without address tags (Arm ARM D8.2.2).
    installationFor: (_low, high) => (((high >>> 23) & 1) === 0 ? 0 : 1),
    install(which, region) {
      const { bytes, rootAddress } = buildStubTables(form(region));
      const own = BigInt(rootAddress);
      const offset = stubOffset(form(region));
      const common = { ...registers, sctlr, hcrEl2 };
      return which === 0
        ? {
            tables: bytes,
            stubAddress: BigInt.asUintN(64, (-1n << BigInt(OWN_HALF_BITS)) | offset),
            registers: {
              ...common,
              ttbr1: withAsidOf(registers.ttbr1, own),
              tcr: replace(replace(tcr & ~TCR_UPPER_HALF, Tcr.T1sz, OWN_HALF_TXSZ), Tcr.Tg1, TG1_4K),
            },
          }
        : {
            tables: bytes,
            stubAddress: offset,
            registers: {
              ...common,
              ttbr0: withAsidOf(registers.ttbr0, own),
              tcr: replace(tcr & ~TCR_LOWER_HALF, Tcr.T0sz, OWN_HALF_TXSZ),
            },
          };
    },
  };
}

/**
 * EL2: one range. The root is copied and one entry of the copy borrowed for the stub: a free one where there is
 * one. What the borrowed entry maps is probed from the other installation, which borrows another.
 */
function planEl2(registers: AArch64Registers, readMemory: ReadMemory): StubPlan {
  const granule = granuleOfTg0(read(registers.tcr, Tcr.Tg0));
  if (granule === undefined) throw unfit(registers, 'tcr', 'TG0 is reserved');
  const isLpa2 = read(registers.tcr, Tcr.DsEl2) === 1;
  const addressBits = 64 - read(registers.tcr, Tcr.T0sz);
  const level = rootLevel(granule, addressBits);
  const maximum = granule.shift === 16 || isLpa2 ? 52 : 48;
  if (addressBits > maximum || level > 2) {
    throw unfit(registers, 'tcr', `the stub cannot be mapped in an address space of ${addressBits} bits`);
  }
  const rootShift = spanShift(granule, level);
  const rootBytes = 8 * 2 ** (addressBits - rootShift);
  const address = rootAddressOf(registers, rootBytes, isLpa2);
  const root = new Uint8Array(rootBytes);
  readMemory(address, root);
  const slots = chooseSlots(root);

  return {
    copiedRoot: { address, bytes: rootBytes, slots },
    installationFor: (low, high) => (slotOf(low, high, addressBits, rootShift) === slots[0] ? 1 : 0),
    install(which, region, readNow) {
      readNow(address, root);
      const form = {
        region,
        granule,
        rootLevel: level,
        rootBytes,
        slot: slots[which],
        attributeIndex: stubAttributeIndex(registers.mair),
        hasUser: false,
      };
      const { bytes, rootAddress } = buildStubTables(form, root);
      const tcr = withPhysicalSize(registers, Tcr.PsEl2);
      const hcrEl2 = replace(0n, Hcr.Rw, 1);
      const ttbr0 = withAsidOf(registers.ttbr0, BigInt(rootAddress));
      return {
        tables: bytes,
        stubAddress: stubOffset(form),
        registers: { ...registers, hcrEl2, tcr, ttbr0 },
      };
    },
  };
}

/** Where the first two entries that are not valid stand; with fewer, used ones from the end are taken. */
function chooseSlots(root: Uint8Array): readonly [number, number] {
  const count = root.length / 8;
  const free: number[] = [];
  for (let slot = 0; slot < count && free.length < 2; slot++) {
    if (((root[slot * 8] as number) & 1) === 0) free.push(slot);
  }
  const last = count - 1;
  const first = free[0] ?? last;
  return [first, free[1] ?? (first === last ? last - 1 : last)];
}

/** The root entry that translates an address, or −1 beyond the address space. */
function slotOf(low: number, high: number, addressBits: number, rootShift: number): number {
  // The tag byte (TBI) is left out: a tagged address finds the same entry.
  const address = (high & 0xff_ffff) * 2 ** 32 + (low >>> 0);
  return address >= 2 ** addressBits ? -1 : Math.floor(address / 2 ** rootShift);
}

/** TTBR.BADDR (Arm ARM D19.2.152): with 52-bit addresses bits 51:48 stand in bits 5:2. */
function rootAddressOf(registers: AArch64Registers, rootBytes: number, isLpa2: boolean): number {
  const is52 = isLpa2 || PHYSICAL_ADDRESS_BITS[read(registers.tcr, Tcr.PsEl2)] === 52;
  const high = is52 ? ((registers.ttbr0 >> 2n) & 0xfn) << 48n : 0n;
  const low = registers.ttbr0 & 0xffff_ffff_fffen & ~BigInt(Math.max(rootBytes, is52 ? 64 : 8) - 1);
  return Number(high | low);
}

/**
 * TCR with IPS or PS lowered to what the image assumes of the processor: the smaller of the two counts
 * (Arm ARM D8.2.3), so a processor with more behaves as one with just that.
 */
function withPhysicalSize(registers: AArch64Registers, where: typeof Tcr.Ips): bigint {
  const assumed = cpuFeaturesOf(registers).physicalAddressBits;
  const limit = PHYSICAL_ADDRESS_BITS.findLastIndex((bits) => bits <= assumed);
  return limit >= 0 && limit < read(registers.tcr, where)
    ? replace(registers.tcr, where, limit)
    : registers.tcr;
}

/** Physical address bits that the processor must have for these registers. */
export function neededPhysicalAddressBits(registers: AArch64Registers): number {
  const where = registers.exceptionLevel === 1 ? Tcr.Ips : Tcr.PsEl2;
  return PHYSICAL_ADDRESS_BITS[read(withPhysicalSize(registers, where), where)] as number;
}

/** Granules that the processor must have for these registers. */
export function neededGranules({ exceptionLevel, tcr }: AArch64Registers): Granule[] {
  const isUsed = (disable: typeof Tcr.Epd0) => exceptionLevel !== 1 || read(tcr, disable) === 0;
  const lower = isUsed(Tcr.Epd0) ? granuleOfTg0(read(tcr, Tcr.Tg0)) : undefined;
  const upper = exceptionLevel === 1 && isUsed(Tcr.Epd1) ? granuleOfTg1(read(tcr, Tcr.Tg1)) : undefined;
  return [lower, upper].filter((granule) => granule !== undefined);
}

const ASID_AND_CNP = 0xffff_0000_0000_0001n;

function withAsidOf(ttbr: bigint, address: bigint): bigint {
  return (ttbr & ASID_AND_CNP) | address;
}

function unfit(registers: AArch64Registers, name: keyof AArch64Registers, why: string): RangeError {
  const value = registers[name];
  const shown = typeof value === 'bigint' ? hex(value) : value;
  return new RangeError(`${name} ${shown}: ${why}`);
}

import { cpuFeaturesOf } from '../../src/aarch64/walk-cpu.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { Hcr, PHYSICAL_ADDRESS_BITS, read, replace, Sctlr, Tcr, Vtcr } from './control-registers.ts';
import { GRANULE_4K, type Granule, granuleOfTg0, hasLargeDescriptors, spanShift } from './granule.ts';
import {
  ENTRY_BYTES,
  hasStageTwo,
  type Installation,
  type ReadMemory,
  type StubPlan,
  unfit,
} from './installation.ts';
import type { IntermediateRange, IntermediateUses } from './intermediate-uses.ts';
import { slotOf } from './plan-one-range.ts';
import { installInHalf, otherHalfFor, stubSctlr } from './plan-two-ranges.ts';
import { REGION_BYTES, TABLES_OFFSET } from './stub-protocol.ts';
import { MAX_TABLE_BYTES, STAGE_TWO_ATTRIBUTES, StubTables } from './stub-tables.ts';

/** Bits of HCR_EL2 that stay as the image has them. */
const KEPT = [Hcr.Vm, Hcr.Ptw, Hcr.Dc] as const;
/** Bits of HCR_EL2 under which the stub does not run. */
const REFUSED = [
  ['TGE', Hcr.Tge],
  ['CD', Hcr.Cd],
  ['ID', Hcr.Id],
  ['FWB', Hcr.Fwb],
] as const;
/** By page size and start level: the size of physical addresses up to which QEMU, which goes by PS, has no such walk. */
const START_LEVEL_SIZES: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  12: { 0: 42 },
  14: { 0: 52, 1: 40 },
  16: { 0: 52, 1: 42 },
};
/** Addresses in the stub's own tables of stage 1, in pages of 4 KiB; with DS = 1 bits 49:48 stand at their place too. */
const OWN_ADDRESS_BITS = { plain: 48, large: 50 } as const;
/** Start levels by SL0; those of 4 KiB pages begin at level −1 with SL2. */
const START_LEVELS: Readonly<Record<number, readonly number[]>> = {
  12: [2, 1, 0, 3],
  14: [3, 2, 1, 0],
  16: [3, 2, 1, 0],
};
/** The one size of addresses that QEMU walks from level −1. */
const LEVEL_MINUS_1_BITS = 52;
/** Tables of stage 1 in the stub's half, of pages of 4 KiB. */
const HALF_TABLES_BYTES = 3 * 4096;

/** What VTCR_EL2 and VTTBR_EL2 say of the root. */
interface StageTwoRoot {
  readonly granule: Granule;
  readonly level: number;
  readonly addressBits: number;
  readonly address: number;
  readonly bytes: number;
}

/** Whether stage 2 alone translates: HCR_EL2.DC switches stage 1 off as SCTLR_EL1.M does. */
export function isStageOneOff(registers: AArch64Registers): boolean {
  const isOff = read(registers.sctlr, Sctlr.M) === 0 || read(registers.hcrEl2, Hcr.Dc) === 1;
  return hasStageTwo(registers) && isOff;
}

/**
 * EL1&0 with stage 2. The root of stage 2 is copied, and a free entry of the copy leads to the stub's region. With
 * stage 1 off its addresses are virtual ones, and a second free entry serves the probes that the first cannot; else
 * the stub is in the half of stage 1 that is not probed, at intermediate addresses of the first.
 * @param borrowed the entries to borrow; chosen where absent
 * @param uses where stage 1 leads: the stub keeps away from there if it can, and says so if it cannot
 * @throws RangeError naming the register if the stub cannot run under these registers
 */
export function planStageTwo(
  registers: AArch64Registers,
  readMemory: ReadMemory,
  borrowed?: readonly [number, number],
  uses?: IntermediateUses,
): StubPlan {
  for (const [name, bit] of REFUSED) {
    if (read(registers.hcrEl2, bit) === 1) {
      throw unfit(registers, 'hcrEl2', `${name} = 1 is not supported with stage 2`);
    }
  }
  const table = rootOf(registers);
  const isFlat = isStageOneOff(registers);
  const rootShift = spanShift(table.granule, table.level);
  const reach = Math.min(
    table.addressBits,
    ...(isFlat
      ? []
      : [ownAddressBits(registers), PHYSICAL_ADDRESS_BITS[read(registers.tcr, Tcr.Ips)] as number]),
    cpuFeaturesOf(registers).physicalAddressBits,
  );
  const root = new Uint8Array(table.bytes);
  readMemory(table.address, root);
  const rangeOfSlot = (slot: number) => ({ start: slot * 2 ** rootShift, bytes: 2 ** rootShift });
  const isUsed = (slot: number) => uses?.include(rangeOfSlot(slot)) ?? false;
  const slots = borrowed ?? chooseSlots(freeSlots(root, 2 ** reach / 2 ** rootShift), isUsed);
  if (slots === undefined) {
    throw unfit(
      registers,
      'vttbr',
      'the root of stage 2 has no two free entries for the stub (one of more entries starts a level later, with tables side by side)',
    );
  }
  const hcrEl2 = KEPT.reduce(
    (hcr, field) => replace(hcr, field, read(registers.hcrEl2, field)),
    replace(0n, Hcr.Rw, 1),
  );
  const slotOfInstallation = (which: 0 | 1) => slots[isFlat ? which : 0];

  return {
    copiedRoot: {
      address: table.address,
      bytes: table.bytes,
      slots: [slotOfInstallation(0), slotOfInstallation(1)],
    },
    isFetchTypeKnown: !isFlat || read(registers.hcrEl2, Hcr.Dc) === 1,
    regionLimit: Number.POSITIVE_INFINITY,
    ...(isFlat && { flatBits: cpuFeaturesOf(registers).physicalAddressBits }),
    ...(!isFlat && intermediateRegion(rangeOfSlot(slots[0]), isUsed(slots[0]) ? uses : undefined)),
    installationFor: (low, high) =>
      isFlat ? (slotOf(low, high, table.addressBits, rootShift) === slots[0] ? 1 : 0) : otherHalfFor(high),
    install(which, region, readNow, tablesOffset = TABLES_OFFSET): Installation {
      readNow(table.address, root);
      const intermediate = slotOfInstallation(which) * 2 ** rootShift;
      const tables = new StubTables({
        region,
        tablesOffset,
        granule: table.granule,
        rootLevel: table.level,
        rootBytes: table.bytes,
        attributes: STAGE_TWO_ATTRIBUTES,
      });
      const copy = tables.addRoot(root);
      tables.mapRegion(copy, BigInt(intermediate));
      const both = {
        ...registers,
        hcrEl2,
        vtcr: stageTwoControl(registers),
        vttbr: BigInt(copy),
      };
      if (isFlat) {
        return {
          tables: tables.bytes,
          tablesOffset,
          bridge: 0n,
          stubAddress: BigInt(intermediate),
          registers: { ...both, sctlr: stubSctlr(registers.sctlr) },
        };
      }
      const ofStageTwo = tables.bytes;
      const half = installInHalf(both, which, intermediate, tablesOffset + ofStageTwo.length);
      const all = new Uint8Array(ofStageTwo.length + half.tables.length);
      all.set(ofStageTwo);
      all.set(half.tables, ofStageTwo.length);
      return { ...half, tables: all, tablesOffset, bridge: 0n };
    },
  };
}

function rootOf(registers: AArch64Registers): StageTwoRoot {
  const { vtcr, vttbr } = registers;
  if (vtcr === undefined) throw unfit(registers, 'vtcr', 'stage 2 is on (HCR_EL2.VM or DC)');
  if (vttbr === undefined) throw unfit(registers, 'vttbr', 'stage 2 is on (HCR_EL2.VM or DC)');
  const granule = granuleOfTg0(read(vtcr, Vtcr.Tg0));
  if (granule === undefined) throw unfit(registers, 'vtcr', 'TG0 is reserved');
  const sl0 = read(vtcr, Vtcr.Sl0);
  const isLarge = hasLargeDescriptors(registers, granule, read(vtcr, Vtcr.Ds));
  const isBelowZero = isLarge && granule.shift === 12 && read(vtcr, Vtcr.Sl2) === 1;
  if (isBelowZero && sl0 !== 0) throw unfit(registers, 'vtcr', `SL0 = ${sl0} is reserved with SL2 = 1`);
  const level = isBelowZero ? -1 : (START_LEVELS[granule.shift]?.[sl0] as number);
  const addressBits = 64 - read(vtcr, Vtcr.T0sz);
  const rootShift = spanShift(granule, level);
  const bytes = ENTRY_BYTES * 2 ** (addressBits - rootShift);
  const tableBytes = 2 ** granule.shift;
  const others = (3 - level) * tableBytes + HALF_TABLES_BYTES;
  // The copy of the root must be aligned to its size, where the region's tables begin.
  const isTooLarge = bytes > TABLES_OFFSET || Math.max(bytes, tableBytes) + others > MAX_TABLE_BYTES;
  if (level > 2 || bytes < 2 * ENTRY_BYTES || 2 ** rootShift < REGION_BYTES || isTooLarge) {
    throw unfit(
      registers,
      'vtcr',
      `the stub cannot be mapped at stage 2 of ${addressBits} bits from level ${level}`,
    );
  }
  const size = PHYSICAL_ADDRESS_BITS[read(stageTwoControl(registers), Vtcr.Ps)] as number;
  const isTooShort = size <= (START_LEVEL_SIZES[granule.shift]?.[level] ?? 0);
  if (addressBits > size || isTooShort || (level < 0 && addressBits !== LEVEL_MINUS_1_BITS)) {
    throw unfit(
      registers,
      'vtcr',
      `stage 2 of ${addressBits} bits from level ${level} with PS of ${size} bits is not walked`,
    );
  }
  const is52 = isLarge || (granule.shift === 16 && PHYSICAL_ADDRESS_BITS[read(vtcr, Vtcr.Ps)] === 52);
  const high = is52 ? ((vttbr >> 2n) & 0xfn) << 48n : 0n;
  const low = vttbr & 0xffff_ffff_fffen & ~BigInt(Math.max(bytes, is52 ? 64 : 8) - 1);
  return { granule, level, addressBits, address: Number(high | low), bytes };
}

/** Where the stub's own tables of stage 1 can lead. */
function ownAddressBits(registers: AArch64Registers): number {
  const isLarge = hasLargeDescriptors(registers, GRANULE_4K, read(registers.tcr, Tcr.DsEl1));
  return isLarge ? OWN_ADDRESS_BITS.large : OWN_ADDRESS_BITS.plain;
}

/** The entries that are not valid among the first `limit`, the last one first. */
function freeSlots(root: Uint8Array, limit: number): number[] {
  const free: number[] = [];
  for (let slot = Math.min(root.length / ENTRY_BYTES, limit) - 1; slot >= 0; slot--) {
    if (((root[slot * ENTRY_BYTES] as number) & 1) === 0) free.push(slot);
  }
  return free;
}

/** The first two, unless stage 1 leads to the first and not to all. */
function chooseSlots(
  free: readonly number[],
  isUsed: (slot: number) => boolean,
): readonly [number, number] | undefined {
  const first = free.find((slot) => !isUsed(slot)) ?? free[0];
  const second = free.find((slot) => slot !== first);
  return first === undefined || second === undefined ? undefined : [first, second];
}

function intermediateRegion(
  range: IntermediateRange,
  uses: IntermediateUses | undefined,
): Pick<StubPlan, 'intermediateRegion' | 'meetsStub'> {
  return {
    intermediateRegion: range,
    ...(uses !== undefined && {
      meetsStub: (low, high, access, privilege) => uses.areMetBy(low, high, access, privilege, range),
    }),
  };
}

/** VTCR_EL2 with PS lowered to what the image assumes of the processor. */
export function stageTwoControl(registers: AArch64Registers): bigint {
  const { vtcr = 0n } = registers;
  const assumed = cpuFeaturesOf(registers).physicalAddressBits;
  const limit = PHYSICAL_ADDRESS_BITS.findLastIndex((bits) => bits <= assumed);
  return limit >= 0 && limit < read(vtcr, Vtcr.Ps) ? replace(vtcr, Vtcr.Ps, limit) : vtcr;
}

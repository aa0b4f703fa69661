import type { AArch64Registers } from '../../src/registers.ts';
import { replace, Sctlr, TCR_LOWER_HALF, TCR_UPPER_HALF, Tcr } from './control-registers.ts';
import { GRANULE_4K, rootLevel } from './granule.ts';
import {
  hasStageTwo,
  type Installation,
  type StubPlan,
  withAsidOf,
  withPhysicalSize,
} from './installation.ts';
import { TABLES_OFFSET } from './stub-protocol.ts';
import { StubTables, stageOneAttributes } from './stub-tables.ts';

/** TG1 of 4 KiB (it is encoded differently from TG0). */
const TG1_4K = 2;
/** Address bits of the half that the stub maps for itself: one root of 512 entries. */
const OWN_HALF_BITS = 39;
const OWN_HALF_TXSZ = 64 - OWN_HALF_BITS;
/** Where the stub is in its half. Address 0 stays unmapped. */
const OWN_HALF_OFFSET = 1n << 30n;

/**
 * EL1&0 and EL2&0: each half is probed from the other. The half that is probed has its own TTBR and all of its TCR
 * fields; the other half belongs to the stub for that time, so that nothing under test is copied or changed.
 * @param hcrEl2 HCR_EL2 while probes are made
 */
export function planTwoRanges(registers: AArch64Registers, hcrEl2: bigint): StubPlan {
  return {
    copiedRoot: undefined,
    isFetchTypeKnown: true,
    regionLimit: Number.POSITIVE_INFINITY,
    installationFor: (_low, high) => otherHalfFor(high),
    install: (which, region, _readMemory, tablesOffset = TABLES_OFFSET) => ({
      ...installInHalf({ ...registers, hcrEl2 }, which, region, tablesOffset),
      bridge: 0n,
      tablesOffset,
    }),
  };
}

/** By bit 55 of an address, which chooses its half with and without address tags (Arm ARM D8.2.2). */
export function otherHalfFor(high: number): 0 | 1 {
  return ((high >>> 23) & 1) === 0 ? 0 : 1;
}

/**
 * The stub in one half of the address space.
 * @param which the half that is probed: 0 the lower one, from the upper
 * @param region where the stub's region is for stage 1
 * @param tablesOffset where in the region the tables of the half are
 */
export function installInHalf(
  registers: AArch64Registers,
  which: 0 | 1,
  region: number,
  tablesOffset = TABLES_OFFSET,
): Pick<Installation, 'stubAddress' | 'tables' | 'registers'> {
  const own = new StubTables({
    region,
    tablesOffset,
    isIntermediate: hasStageTwo(registers),
    granule: GRANULE_4K,
    rootLevel: rootLevel(GRANULE_4K, OWN_HALF_BITS),
    rootBytes: 2 ** GRANULE_4K.shift,
    attributes: stageOneAttributes(registers.mair, true),
  });
  const root = own.addRoot();
  own.mapRegion(root, OWN_HALF_OFFSET);
  const tables = own.bytes;
  const tcr = withPhysicalSize(registers, Tcr.Ips);
  const common = { ...registers, sctlr: stubSctlr(registers.sctlr) };
  return which === 0
    ? {
        tables,
        stubAddress: BigInt.asUintN(64, (-1n << BigInt(OWN_HALF_BITS)) | OWN_HALF_OFFSET),
        registers: {
          ...common,
          ttbr1: withAsidOf(registers.ttbr1, BigInt(root)),
          tcr: replace(replace(tcr & ~TCR_UPPER_HALF, Tcr.T1sz, OWN_HALF_TXSZ), Tcr.Tg1, TG1_4K),
        },
      }
    : {
        tables,
        stubAddress: OWN_HALF_OFFSET,
        registers: {
          ...common,
          ttbr0: withAsidOf(registers.ttbr0, BigInt(root)),
          tcr: replace(tcr & ~TCR_LOWER_HALF, Tcr.T0sz, OWN_HALF_TXSZ),
        },
      };
}

/** SCTLR with what the stub relies on: exceptions leave PAN alone, and EL0's data is little-endian. */
export function stubSctlr(sctlr: bigint): bigint {
  return replace(replace(sctlr, Sctlr.Span, 1), Sctlr.E0e, 0);
}

import type { AArch64Registers } from '../../src/registers.ts';
import { replace, Sctlr, TCR_LOWER_HALF, TCR_UPPER_HALF, Tcr } from './control-registers.ts';
import { GRANULE_4K, rootLevel } from './granule.ts';
import { type StubPlan, withAsidOf, withPhysicalSize } from './installation.ts';
import { StubTables, stubAttributeIndex } from './stub-tables.ts';

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
  const tcr = withPhysicalSize(registers, Tcr.Ips);
  const sctlr = replace(replace(registers.sctlr, Sctlr.Span, 1), Sctlr.E0e, 0);
  const common = { ...registers, sctlr, hcrEl2 };
  return {
    copiedRoot: undefined,
    regionLimit: Number.POSITIVE_INFINITY,
    // Bit 55 chooses the half, with and without address tags (Arm ARM D8.2.2).
    installationFor: (_low, high) => (((high >>> 23) & 1) === 0 ? 0 : 1),
    install(which, region) {
      const tables = new StubTables({
        region,
        granule: GRANULE_4K,
        rootLevel: rootLevel(GRANULE_4K, OWN_HALF_BITS),
        rootBytes: 2 ** GRANULE_4K.shift,
        attributeIndex: stubAttributeIndex(registers.mair),
        hasUser: true,
      });
      const root = tables.addRoot();
      tables.mapRegion(root, OWN_HALF_OFFSET);
      const own = { tables: tables.bytes, bridge: 0n };
      return which === 0
        ? {
            ...own,
            stubAddress: BigInt.asUintN(64, (-1n << BigInt(OWN_HALF_BITS)) | OWN_HALF_OFFSET),
            registers: {
              ...common,
              ttbr1: withAsidOf(registers.ttbr1, BigInt(root)),
              tcr: replace(replace(tcr & ~TCR_UPPER_HALF, Tcr.T1sz, OWN_HALF_TXSZ), Tcr.Tg1, TG1_4K),
            },
          }
        : {
            ...own,
            stubAddress: OWN_HALF_OFFSET,
            registers: {
              ...common,
              ttbr0: withAsidOf(registers.ttbr0, BigInt(root)),
              tcr: replace(tcr & ~TCR_LOWER_HALF, Tcr.T0sz, OWN_HALF_TXSZ),
            },
          };
    },
  };
}

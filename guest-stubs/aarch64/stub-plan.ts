import { cpuFeaturesOf } from '../../src/aarch64/walk-cpu.ts';
import { regimeOf } from '../../src/aarch64/walk-regime.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { Hcr, PHYSICAL_ADDRESS_BITS, read, replace, Scr, Sctlr, Tcr, Vtcr } from './control-registers.ts';
import { type Granule, granuleOfTg0, granuleOfTg1, hasLargeDescriptors } from './granule.ts';
import { hasStageTwo, type ReadMemory, type StubPlan, unfit, withPhysicalSize } from './installation.ts';
import { IntermediateUses } from './intermediate-uses.ts';
import { planOneRange } from './plan-one-range.ts';
import { isStageOneOff, planStageTwo, stageTwoControl } from './plan-stage-two.ts';
import { planTwoRanges } from './plan-two-ranges.ts';

export type { CopiedRoot, Installation, ReadMemory, StubPlan } from './installation.ts';
export { ENTRY_BYTES } from './installation.ts';

/**
 * The plan for a set of registers.
 * @param readMemory reads the guest's memory as the image fills it: free root entries are preferred
 * @param borrowed the root entries to borrow (CopiedRoot.slots), where they must be those of another plan
 * @param memory the image, where the stub must keep out of what stage 1 leads to below stage 2
 * @throws RangeError naming the register if the stub cannot run under these registers
 */
export function planStub(
  registers: AArch64Registers,
  readMemory: ReadMemory,
  borrowed?: readonly [number, number],
  memory?: PhysicalMemory,
): StubPlan {
  const isStageTwo = hasStageTwo(registers);
  if (!isStageTwo && read(registers.sctlr, Sctlr.M) === 0)
    throw unfit(registers, 'sctlr', 'the MMU is off (M = 0)');
  if (read(registers.sctlr, Sctlr.Ee) === 1)
    throw unfit(registers, 'sctlr', 'tables are big-endian (EE = 1)');
  const { exceptionLevel, hcrEl2 } = registers;
  if (exceptionLevel === 1 && read(hcrEl2, Hcr.Tge) === 1) {
    throw unfit(registers, 'hcrEl2', 'TGE = 1 is not supported at EL1');
  }
  if ((exceptionLevel === 2 || isStageTwo) && read(registers.scrEl3 ?? NON_SECURE, Scr.Ns) === 0) {
    throw unfit(registers, 'scrEl3', 'EL2 and stage 2 of Secure state (NS = 0) are not supported yet');
  }
  const installed = { ...registers, scrEl3: scrOf(registers) };
  const plain = replace(0n, Hcr.Rw, 1);
  if (isStageTwo) {
    const isNested = memory !== undefined && !isStageOneOff(registers);
    const uses = isNested ? new IntermediateUses(memory, registers) : undefined;
    return planStageTwo(installed, readMemory, borrowed, uses);
  }
  if (exceptionLevel === 1) return planTwoRanges(installed, plain);
  if (!hasTwoRanges(registers)) return planOneRange(installed, plain, readMemory, borrowed);
  return planTwoRanges(installed, replace(replace(plain, Hcr.E2h, 1), Hcr.Tge, read(hcrEl2, Hcr.Tge)));
}

/** EL1&0, and EL2&0 where the processor has FEAT_VHE. */
function hasTwoRanges(registers: AArch64Registers): boolean {
  return regimeOf(registers, cpuFeaturesOf(registers)).ranges.length === 2;
}

const NON_SECURE = 1n;

/** The security state and its fetches as the image has them; lower levels are AArch64, and HVC is there. */
function scrOf({ scrEl3 = NON_SECURE }: AArch64Registers): bigint {
  const fixed = replace(replace(0n, Scr.Hce, 1), Scr.Rw, 1);
  return replace(replace(fixed, Scr.Ns, read(scrEl3, Scr.Ns)), Scr.Sif, read(scrEl3, Scr.Sif));
}

/** Physical address bits that the processor must have for these registers. */
export function neededPhysicalAddressBits(registers: AArch64Registers): number {
  const where = hasTwoRanges(registers) ? Tcr.Ips : Tcr.PsEl2;
  const sizes = [
    ...(isStageOneOff(registers) ? [] : [read(withPhysicalSize(registers, where), where)]),
    ...(hasStageTwo(registers) ? [read(stageTwoControl(registers), Vtcr.Ps)] : []),
  ];
  return Math.max(0, ...sizes.map((size) => PHYSICAL_ADDRESS_BITS[size] as number));
}

/** A granule that registers ask for. */
export interface NeededGranule extends Granule {
  readonly stage: 1 | 2;
  /** Whether its descriptors are those of FEAT_LPA2. */
  readonly isLarge: boolean;
}

/** Granules that the processor must have for these registers. */
export function neededGranules(registers: AArch64Registers): NeededGranule[] {
  const { tcr, vtcr = 0n } = registers;
  const isOn = !isStageOneOff(registers);
  const isDouble = hasTwoRanges(registers);
  const isUsed = (disable: typeof Tcr.Epd0) => isOn && (!isDouble || read(tcr, disable) === 0);
  const ds = { 1: read(tcr, isDouble ? Tcr.DsEl1 : Tcr.DsEl2), 2: read(vtcr, Vtcr.Ds) } as const;
  const granules = [
    [1, isUsed(Tcr.Epd0) ? granuleOfTg0(read(tcr, Tcr.Tg0)) : undefined],
    [1, isDouble && isUsed(Tcr.Epd1) ? granuleOfTg1(read(tcr, Tcr.Tg1)) : undefined],
    [2, hasStageTwo(registers) ? granuleOfTg0(read(vtcr, Vtcr.Tg0)) : undefined],
  ] as const;
  return granules.flatMap(([stage, granule]) =>
    granule === undefined
      ? []
      : [{ ...granule, stage, isLarge: hasLargeDescriptors(registers, granule, ds[stage]) }],
  );
}

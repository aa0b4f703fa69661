import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { cpuFeaturesOf } from '../../../src/aarch64/walk-cpu.ts';
import { EL2_AND_0, regimeOf } from '../../../src/aarch64/walk-regime.ts';
import { bit, field, Scr } from '../../../src/aarch64/walk-registers.ts';
import { hex } from '../../../src/addresses.ts';
import type { AArch64Registers } from '../../../src/registers.ts';

/** uc_cpu_arm64 by QEMU's names of the models. */
const MODELS: ReadonlyMap<string, number> = new Map([
  ['cortex-a57', 0],
  ['cortex-a53', 1],
  ['cortex-a72', 2],
  ['max', 3],
]);
const DEFAULT_MODEL = 'max';

/** Bits of a physical address that descriptors can hold without FEAT_LPA. */
export const PHYSICAL_ADDRESS_BITS = 48;

/** The number of a model for Unicorn; one that it does not have is stood in for by `max`. */
export function modelNumber(registers: AArch64Registers): number {
  return MODELS.get(registers.cpu ?? DEFAULT_MODEL) ?? (MODELS.get(DEFAULT_MODEL) as number);
}

/** TnSZ: below, FEAT_LVA or LPA2; above, FEAT_TTST. */
const MIN_SIZE_OFFSET = 16;
const MAX_SIZE_OFFSET = 39;
const SIZE_BITS = 6;

/**
 * Refuses what the processor would silently treat in another way.
 * @throws RangeError naming the feature and the register
 */
export function checkFeatures(registers: AArch64Registers): void {
  const { tcr, exceptionLevel } = registers;
  if (hasStageTwo(registers)) {
    throw new RangeError(`HCR_EL2 ${hex(registers.hcrEl2)}: stage 2 is not supported yet`);
  }
  if (exceptionLevel !== 3 && registers.scrEl3 !== undefined && !bit(registers.scrEl3, Scr.NS)) {
    throw new RangeError(`SCR_EL3 ${hex(registers.scrEl3)}: Secure state (NS = 0) is not supported yet`);
  }
  const features = cpuFeaturesOf(registers);
  const regime = regimeOf(registers, features);
  if (regime === EL2_AND_0) {
    // By experiment: accesses are translated by both halves, but AT S1E2R and S1E2W as if E2H were 0.
    throw new RangeError(
      `HCR_EL2 ${hex(registers.hcrEl2)}: with E2H Unicorn's AT walks other tables than its accesses, so that no fault status and no memory type would be right`,
    );
  }
  const { ranges, hardwareAccessFlag, hardwareDirty, largeDescriptors } = regime;
  const userDisables = ranges.flatMap(({ userDisable }) => userDisable ?? []);
  const lacking = (feature: string) =>
    new RangeError(`TCR_EL${exceptionLevel} ${hex(tcr)} uses ${feature}, which Unicorn does not have`);
  const uses = [
    ['FEAT_HAFDBS', features.hardwareUpdates, [hardwareAccessFlag, hardwareDirty]],
    ['FEAT_E0PD', features.userDisable, userDisables],
    ['FEAT_LPA2', features.largeDescriptors, [largeDescriptors]],
  ] as const;
  for (const [feature, isThere, positions] of uses) {
    if (isThere && positions.some((position) => bit(tcr, position))) throw lacking(feature);
  }
  for (const { size, walkDisable } of ranges) {
    if (walkDisable !== undefined && bit(tcr, walkDisable)) continue;
    const offset = field(tcr, size, SIZE_BITS);
    if (offset < MIN_SIZE_OFFSET) throw lacking('FEAT_LVA');
    if (offset <= MAX_SIZE_OFFSET) continue;
    if (features.smallTables) throw lacking('FEAT_TTST');
    // Constrained unpredictable (Arm ARM D8.2): the walker faults, Unicorn takes the greatest size that there is.
    throw new RangeError(
      `TCR_EL${exceptionLevel} ${hex(tcr)} has a size offset of ${offset}, beyond ${MAX_SIZE_OFFSET}`,
    );
  }
}

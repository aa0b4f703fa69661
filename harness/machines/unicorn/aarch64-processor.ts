import { read, Tcr } from '../../../guest-stubs/aarch64/control-registers.ts';
import { GRANULE_4K } from '../../../guest-stubs/aarch64/granule.ts';
import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { neededGranules } from '../../../guest-stubs/aarch64/stub-plan.ts';
import { cpuFeaturesOf } from '../../../src/aarch64/walk-cpu.ts';
import { regimeOf } from '../../../src/aarch64/walk-regime.ts';
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

const bit = (shift: number) => ({ shift: BigInt(shift), width: 1n });
/** Of TCR_EL1 and of TCR_EL2 (Arm ARM D19.2.139, D19.2.140). */
const HardwareUpdates = { 1: [bit(39), bit(40)], 2: [bit(21), bit(22)] } as const;
const UserDisable = { 1: [bit(55), bit(56)], 2: [] } as const;
const LargeDescriptors = { 1: [Tcr.DsEl1], 2: [Tcr.DsEl2] } as const;
/** TnSZ: below, FEAT_LVA or LPA2; above, FEAT_TTST. */
const MIN_SIZE_OFFSET = 16;
const MAX_SIZE_OFFSET = 39;

/**
 * Refuses what the processor would silently treat in another way.
 * @throws RangeError naming the feature and the register
 */
export function checkFeatures(registers: AArch64Registers): void {
  const { tcr, exceptionLevel } = registers;
  if (exceptionLevel === 3) throw new RangeError('EL3 is not supported yet');
  const features = cpuFeaturesOf(registers);
  if (exceptionLevel === 2 && regimeOf(registers, features).ranges.length === 2) {
    throw new RangeError(`HCR_EL2 ${hex(registers.hcrEl2)}: EL2 with E2H is not supported yet`);
  }
  if (hasStageTwo(registers)) {
    throw new RangeError(`HCR_EL2 ${hex(registers.hcrEl2)}: stage 2 is not supported yet`);
  }
  if (registers.scrEl3 !== undefined && (registers.scrEl3 & 1n) === 0n) {
    throw new RangeError(`SCR_EL3 ${hex(registers.scrEl3)}: Secure state (NS = 0) is not supported yet`);
  }
  const isSet = (fields: readonly ReturnType<typeof bit>[]) => fields.some((field) => read(tcr, field) === 1);
  const lacking = (feature: string) =>
    new RangeError(`TCR_EL${exceptionLevel} ${hex(tcr)} uses ${feature}, which Unicorn does not have`);
  if (features.hardwareUpdates && isSet(HardwareUpdates[exceptionLevel])) throw lacking('FEAT_HAFDBS');
  if (features.userDisable && isSet(UserDisable[exceptionLevel])) throw lacking('FEAT_E0PD');
  if (features.largeDescriptors && isSet(LargeDescriptors[exceptionLevel])) throw lacking('FEAT_LPA2');
  for (const size of usedSizes(registers)) {
    if (size < MIN_SIZE_OFFSET) throw lacking('FEAT_LVA');
    if (size <= MAX_SIZE_OFFSET) continue;
    if (features.smallTables) throw lacking('FEAT_TTST');
    // Constrained unpredictable (Arm ARM D8.2): the walker faults, Unicorn takes the greatest size that there is.
    throw new RangeError(
      `TCR_EL${exceptionLevel} ${hex(tcr)} has a size offset of ${size}, beyond ${MAX_SIZE_OFFSET}`,
    );
  }
  const other = neededGranules(registers).find(({ shift }) => shift !== GRANULE_4K.shift);
  if (other !== undefined) {
    throw new RangeError(`a granule of ${2 ** (other.shift - 10)} KiB is not supported yet`);
  }
}

/** TnSZ of the ranges that are walked. */
function usedSizes({ tcr, exceptionLevel }: AArch64Registers): number[] {
  if (exceptionLevel !== 1) return [read(tcr, Tcr.T0sz)];
  const halves = [
    [Tcr.Epd0, Tcr.T0sz],
    [Tcr.Epd1, Tcr.T1sz],
  ] as const;
  return halves.filter(([disabled]) => read(tcr, disabled) === 0).map(([, size]) => read(tcr, size));
}

import { read, Vtcr } from '../../../guest-stubs/aarch64/control-registers.ts';
import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { isStageOneOff } from '../../../guest-stubs/aarch64/plan-stage-two.ts';
import { type CpuFeatures, cpuFeaturesOf } from '../../../src/aarch64/walk-cpu.ts';
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
/** Bits of physical addresses by model number, as ID_AA64MMFR0_EL1 has them; `max` is a Cortex-A57 in this. */
const MODEL_ADDRESS_BITS = [44, 40, 44, 44] as const;

/** Bits of a physical address that descriptors can hold without FEAT_LPA. */
export const PHYSICAL_ADDRESS_BITS = 48;

/** The number of a model for Unicorn; one that it does not have is stood in for by `max`. */
export function modelNumber(registers: AArch64Registers): number {
  return MODELS.get(registers.cpu ?? DEFAULT_MODEL) ?? (MODELS.get(DEFAULT_MODEL) as number);
}

/** Bits of physical addresses of the processor that an image runs on. */
export function addressBitsOf(registers: AArch64Registers): number {
  return MODEL_ADDRESS_BITS[modelNumber(registers)] as number;
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
  const { hcrEl2, scrEl3 } = registers;
  if (registers.exceptionLevel !== 3 && scrEl3 !== undefined && !bit(scrEl3, Scr.NS)) {
    throw new RangeError(`SCR_EL3 ${hex(scrEl3)}: Secure state (NS = 0) is not supported yet`);
  }
  const features = cpuFeaturesOf(registers);
  if (regimeOf(registers, features) === EL2_AND_0) {
    // By experiment: accesses are translated by both halves, but AT S1E2R and S1E2W as if E2H were 0.
    throw new RangeError(
      `HCR_EL2 ${hex(hcrEl2)}: with E2H Unicorn's AT walks other tables than its accesses, so that no fault status and no memory type would be right`,
    );
  }
  if (!isStageOneOff(registers)) checkStage(stageOneUses(registers, features), features);
  if (!hasStageTwo(registers)) return;
  checkStage(stageTwoUses(registers), features);
  const inputBits = 64 - read(registers.vtcr ?? 0n, Vtcr.T0sz);
  if (inputBits > addressBitsOf(registers)) {
    throw new RangeError(
      `VTCR_EL2 ${hex(registers.vtcr ?? 0n)}: stage 2 of ${inputBits} bits is not walked by a processor with physical addresses of ${addressBitsOf(registers)}`,
    );
  }
}

/** What a stage's control register asks for. */
interface StageUses {
  readonly name: string;
  readonly value: bigint;
  readonly hardwareUpdates: boolean;
  readonly userDisable: boolean;
  readonly largeDescriptors: boolean;
  /** TnSZ of the ranges that are walked. */
  readonly sizeOffsets: readonly number[];
}

function stageOneUses(registers: AArch64Registers, features: CpuFeatures): StageUses {
  const { tcr, exceptionLevel } = registers;
  const regime = regimeOf(registers, features);
  const isSet = (position: number | undefined) => position !== undefined && bit(tcr, position);
  return {
    name: `TCR_EL${exceptionLevel}`,
    value: tcr,
    hardwareUpdates: isSet(regime.hardwareAccessFlag) || isSet(regime.hardwareDirty),
    userDisable: regime.ranges.some(({ userDisable }) => isSet(userDisable)),
    largeDescriptors: isSet(regime.largeDescriptors),
    sizeOffsets: regime.ranges
      .filter(({ walkDisable }) => !isSet(walkDisable))
      .map(({ size }) => field(tcr, size, SIZE_BITS)),
  };
}

function stageTwoUses({ vtcr = 0n }: AArch64Registers): StageUses {
  return {
    name: 'VTCR_EL2',
    value: vtcr,
    hardwareUpdates: read(vtcr, Vtcr.Ha) === 1 || read(vtcr, Vtcr.Hd) === 1,
    userDisable: false,
    largeDescriptors: read(vtcr, Vtcr.Ds) === 1,
    sizeOffsets: [read(vtcr, Vtcr.T0sz)],
  };
}

function checkStage({ name, value, sizeOffsets, ...uses }: StageUses, features: CpuFeatures): void {
  const lacking = (feature: string) =>
    new RangeError(`${name} ${hex(value)} uses ${feature}, which Unicorn does not have`);
  if (features.hardwareUpdates && uses.hardwareUpdates) throw lacking('FEAT_HAFDBS');
  if (features.userDisable && uses.userDisable) throw lacking('FEAT_E0PD');
  if (features.largeDescriptors && uses.largeDescriptors) throw lacking('FEAT_LPA2');
  for (const offset of sizeOffsets) {
    if (offset < MIN_SIZE_OFFSET) throw lacking('FEAT_LVA');
    if (offset <= MAX_SIZE_OFFSET) continue;
    if (features.smallTables) throw lacking('FEAT_TTST');
    // Constrained unpredictable (Arm ARM D8.2): the walker faults, Unicorn takes the greatest size that there is.
    throw new RangeError(`${name} ${hex(value)} has a size offset of ${offset}, beyond ${MAX_SIZE_OFFSET}`);
  }
}

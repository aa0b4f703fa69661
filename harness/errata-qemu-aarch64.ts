import { cpuFeaturesOf } from '../src/aarch64/walk-cpu.ts';
import { regimeOf } from '../src/aarch64/walk-regime.ts';
import { HPFAR_NONE, HPFAR_OPEN, isStructuralFault, Known } from '../src/outcome-list.ts';
import type { AArch64Registers } from '../src/registers.ts';
import type { WalkStep } from '../src/translation.ts';
import type { DeviatingProbe, Erratum, Outcome } from './errata.ts';

const MACHINE = 'qemu-aarch64';
const TEST = 'test/machines/errata.test.ts';

/** Of every QEMU and of what is made from it. */
export const HIERARCHICAL_DISABLE: Omit<Erratum, 'machine'> = {
  rule: 'hierarchical-disable-without-hpds',
  description:
    'TCR_ELx.HPDn takes effect on CPU models without FEAT_HPDS, where the bit is RES0 (Arm ARM D19.2.147)',
  test: TEST,
  explains: (probe) =>
    probe.registers.architecture === 'aarch64' &&
    !cpuFeaturesOf(probe.registers).hierarchicalDisable &&
    hasHierarchicalDisable(probe.registers, probe.address) &&
    isOtherPermission(probe, probe.registers),
};

/** Whether prediction and observation differ in the permission alone, below a table that takes some away. */
function isOtherPermission(
  { address, predicted, observed, explain }: DeviatingProbe,
  registers: AArch64Registers,
): boolean {
  if ((predicted.fault === 0) === (observed.fault === 0)) return false;
  if (!isPermissionFault(predicted.fault === 0 ? observed : predicted)) return false;
  const steps = explain();
  const leaf = steps.at(-1);
  if (
    leaf?.next === undefined ||
    !steps.some(({ kind, forbids }) => kind === 'table' && forbids.length > 0)
  ) {
    return false;
  }
  const offset = address & (leafBytes(registers, address, leaf.level) - 1n);
  return observed.fault !== 0 || BigInt(observed.physicalAddress) === leaf.next + offset;
}

/** Known deviations of QEMU's AArch64 TCG in what it makes of tables and TCR. */
export const QEMU_AARCH64_ERRATA: readonly Erratum[] = [
  {
    rule: 'level-0-block-accepted',
    machine: MACHINE,
    description:
      'a descriptor at level 0 with bits 1:0 = 0b01 translates as a block of 512 GiB (pages of 16 KiB: 128 TiB), where it is reserved without FEAT_LPA2 and must fault (Arm ARM D8.3.1)',
    test: TEST,
    explains: (probe) => isOutcomeOfReservedBlock(probe, 0),
  },
  {
    rule: 'level-1-block-accepted',
    machine: MACHINE,
    description:
      'with pages of 16 KiB and without FEAT_LPA2, and with pages of 64 KiB and without FEAT_LPA, a descriptor at level 1 with bits 1:0 = 0b01 translates as a block of 64 GiB or 4 TiB, where it is reserved and must fault (Arm ARM D8.3.1)',
    test: TEST,
    explains: (probe) => isOutcomeOfReservedBlock(probe, 1),
  },
  {
    rule: 'stage-one-walk-fault-has-level-of-stage-one',
    machine: MACHINE,
    description:
      'where stage 2 forbids a walk of stage 1, ESR_EL2.xFSC has the level at which the walk of stage 1 was, not the level of the descriptor of stage 2 (Arm ARM D19.2.37, D8.15)',
    test: TEST,
    explains: hasLevelOfStageOne,
  },
  {
    rule: 'device-of-one-stage-made-stricter-by-normal-of-the-other',
    machine: MACHINE,
    description:
      'where one stage says Device-GRE or Device-nGRE and the other Normal memory, the low half of the MAIR byte of Normal memory counts as a kind of Device memory (Arm ARM D8.5.5: the result is the Device memory of the one stage)',
    test: TEST,
    explains: isStricterDevice,
  },
  { machine: MACHINE, ...HIERARCHICAL_DISABLE },
];

/** Everything as predicted but a stricter kind of Device memory, with two stages. */
function isStricterDevice({ predicted, observed, registers }: DeviatingProbe): boolean {
  const [expected, seen] = [predicted.memoryType & 0xff, observed.memoryType & 0xff];
  const isBoth = registers.architecture === 'aarch64' && (registers.hcrEl2 & STAGE_TWO_BITS) !== 0n;
  return (
    isBoth &&
    predicted.fault === 0 &&
    observed.fault === 0 &&
    predicted.physicalAddress === observed.physicalAddress &&
    predicted.memoryType >> 8 === observed.memoryType >> 8 &&
    expected <= DEVICE_GRE &&
    seen < expected
  );
}

/** HCR_EL2.VM and DC. */
const STAGE_TWO_BITS = 0x1001n;
const DEVICE_GRE = 0x0c;

/** ESR.S1PTW, and the level in a fault status. */
const STAGE_ONE_WALK = 1 << 7;
const LEVEL = 0b11;

/** The same fault of stage 2 on a walk of stage 1, with the level alone different. */
function hasLevelOfStageOne({ predicted, observed }: DeviatingProbe): boolean {
  return (
    !isStructuralFault(predicted.fault) &&
    (predicted.fault & STAGE_ONE_WALK) !== 0 &&
    ((predicted.fault ^ observed.fault) & ~LEVEL) === 0 &&
    predicted.faultAddress === observed.faultAddress &&
    (predicted.hpfar === undefined || predicted.hpfar === observed.hpfar || predicted.hpfar === HPFAR_OPEN)
  );
}

/** Bits 1:0 of a block descriptor. */
const DESCRIPTOR_TYPE = 0b11n;
const BLOCK = 0b01n;
/** Bytes of a block at level 0 with pages of 4 KiB. */
export const LEVEL_0_BLOCK_BYTES = 1n << 39n;
const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;

export function isLevel0Block(step: WalkStep | undefined): boolean {
  return step?.level === 0 && ((step.entry ?? 0n) & DESCRIPTOR_TYPE) === BLOCK;
}

/**
 * Whether a probe ended as it would if a reserved descriptor at `level` were a block: at its output address, or in a
 * fault of it.
 */
function isOutcomeOfReservedBlock(probe: DeviatingProbe, level: 0 | 1): boolean {
  const { address, predicted, observed, registers, explain } = probe;
  const step = explain().at(-1);
  const entry = step?.entry ?? 0n;
  if (registers.architecture !== 'aarch64' || step?.level !== level) return false;
  const isTranslationFault = (predicted.fault & STATUS_MASK) === (TRANSLATION_FAULT | level);
  if (!isTranslationFault || (entry & DESCRIPTOR_TYPE) !== BLOCK) return false;
  const size = leafBytes(registers, address, level);
  const output = (entry & OUTPUT_ADDRESS & -size) + (address & (size - 1n));
  if ((registers.hcrEl2 & STAGE_TWO_BITS) !== 0n && observed.hpfar !== HPFAR_NONE) {
    // Where the address leads at stage 2 is not looked at, but a fault of stage 2 names it.
    return observed.hpfar === (output >> 12n) << 4n;
  }
  if (observed.fault !== 0) {
    return LEVEL_0_BLOCK_FAULTS.includes((observed.fault & STATUS_MASK) - level);
  }
  return BigInt(observed.physicalAddress) === output;
}

/** Bytes that a leaf at a level maps. */
function leafBytes(registers: AArch64Registers, address: bigint, level: number): bigint {
  const pageShift = pageShiftOf(registers, address);
  return 1n << BigInt(pageShift + (3 - level) * (pageShift - 3));
}

/** log2 of the size of a page in the range of an address; 0 where it is reserved. */
function pageShiftOf(registers: AArch64Registers, address: bigint): number {
  const { ranges } = regimeOf(registers, cpuFeaturesOf(registers));
  const range = ranges[Number((address >> 55n) & 1n)] ?? ranges[0];
  if (range === undefined) return 0;
  return range.granules[Number((registers.tcr >> BigInt(range.granule)) & 3n)]?.pageShift ?? 0;
}

/** ESR.xFSC (Arm ARM D19.2.37). */
export const STATUS_MASK = 0x3f;
/** Address size, access flag and permission fault of level 0. */
export const LEVEL_0_BLOCK_FAULTS = [0b00_0000, 0b00_1000, 0b00_1100];

/** Translation fault of level 0; the level is in bits 1:0. */
const TRANSLATION_FAULT = 0b00_0100;

/** A fault whose status is not known may be one. */
function isPermissionFault({ known, fault }: Outcome): boolean {
  return (known & Known.FaultStatus) === 0 || (fault & 0b11_1100) === 0b00_1100;
}

/** TCR_EL1.HPD0 and HPD1, TCR_EL2.HPD: of the range that holds the address. */
function hasHierarchicalDisable({ exceptionLevel, tcr }: AArch64Registers, address: bigint): boolean {
  const isUpper = ((address >> 55n) & 1n) === 1n;
  const bit = exceptionLevel === 1 ? (isUpper ? 42n : 41n) : 24n;
  return ((tcr >> bit) & 1n) === 1n;
}

import { cpuFeaturesOf } from '../src/aarch64/walk-cpu.ts';
import { Known } from '../src/outcome-list.ts';
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
  explains: ({ address, predicted, observed, registers, explain }) =>
    registers.architecture === 'aarch64' &&
    !cpuFeaturesOf(registers).hierarchicalDisable &&
    hasHierarchicalDisable(registers, address) &&
    (predicted.fault === 0 || isPermissionFault(predicted)) &&
    (observed.fault === 0 || isPermissionFault(observed)) &&
    explain().some(({ kind, forbids }) => kind === 'table' && forbids.length > 0),
};

/** Known deviations of QEMU's AArch64 TCG in what it makes of tables and TCR. */
export const QEMU_AARCH64_ERRATA: readonly Erratum[] = [
  {
    rule: 'level-0-block-accepted',
    machine: MACHINE,
    description:
      'a descriptor at level 0 with bits 1:0 = 0b01 translates as a block of 512 GiB, where it is reserved without FEAT_LPA2 and must fault (Arm ARM D8.3.1)',
    test: TEST,
    explains: (probe) => isLevel0Block(probe.explain().at(-1)) && isOutcomeOfLevel0Block(probe),
  },
  { machine: MACHINE, ...HIERARCHICAL_DISABLE },
];

/** Bits 1:0 of a block descriptor. */
const DESCRIPTOR_TYPE = 0b11n;
const BLOCK = 0b01n;
/** Bytes of a block at level 0, and the bits of its output address. */
export const LEVEL_0_BLOCK_BYTES = 1n << 39n;
const OUTPUT_ADDRESS = 0x0000_ff80_0000_0000n;

export function isLevel0Block(step: WalkStep | undefined): boolean {
  return step?.level === 0 && ((step.entry ?? 0n) & DESCRIPTOR_TYPE) === BLOCK;
}

/** Whether a probe ended as it would if its level 0 descriptor were a block: at its output address, or in a fault of it. */
function isOutcomeOfLevel0Block({ address, observed, explain }: DeviatingProbe): boolean {
  if (observed.fault !== 0) return LEVEL_0_BLOCK_FAULTS.includes(observed.fault & STATUS_MASK);
  const output = (explain().at(-1)?.entry ?? 0n) & OUTPUT_ADDRESS;
  return BigInt(observed.physicalAddress) === output + (address % LEVEL_0_BLOCK_BYTES);
}

/** ESR.xFSC (Arm ARM D19.2.37). */
export const STATUS_MASK = 0x3f;
/** Address size, access flag and permission fault of level 0. */
export const LEVEL_0_BLOCK_FAULTS = [0b00_0000, 0b00_1000, 0b00_1100];

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

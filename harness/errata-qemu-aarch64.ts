import { cpuFeaturesOf } from '../src/aarch64/walk-cpu.ts';
import type { AArch64Registers } from '../src/registers.ts';
import type { Erratum } from './errata.ts';

const MACHINE = 'qemu-aarch64';
const TEST = 'test/machines/errata.test.ts';

/** Known deviations of QEMU's AArch64 TCG in what it makes of tables and TCR. */
export const QEMU_AARCH64_ERRATA: readonly Erratum[] = [
  {
    rule: 'level-0-block-accepted',
    machine: MACHINE,
    description:
      'a descriptor at level 0 with bits 1:0 = 0b01 translates as a block of 512 GiB, where it is reserved without FEAT_LPA2 and must fault (Arm ARM D8.3.1)',
    test: TEST,
    explains: (probe) =>
      isStatus(probe.predicted.fault, TRANSLATION_LEVEL_0) &&
      (probe.observed.fault === 0
        ? isSameInBlock(probe.address, probe.observed.physicalAddress)
        : LEVEL_0_LEAF_FAULTS.some((status) => isStatus(probe.observed.fault, status))),
  },
  {
    rule: 'hierarchical-disable-without-hpds',
    machine: MACHINE,
    description:
      'TCR_ELx.HPDn takes effect on CPU models without FEAT_HPDS, where the bit is RES0 (Arm ARM D19.2.147)',
    test: TEST,
    explains: ({ address, predicted, observed, registers }) =>
      registers.architecture === 'aarch64' &&
      !cpuFeaturesOf(registers).hierarchicalDisable &&
      hasHierarchicalDisable(registers, address) &&
      (predicted.fault === 0 || isPermissionFault(predicted.fault)) &&
      (observed.fault === 0 || isPermissionFault(observed.fault)),
  },
];

/** ESR.xFSC (Arm ARM D19.2.37). */
const STATUS_MASK = 0x3f;
const TRANSLATION_LEVEL_0 = 0b00_0100;
/** Address size, access flag and permission faults of level 0: no table descriptor raises the last two. */
const LEVEL_0_LEAF_FAULTS = [0b00_0000, 0b00_1000, 0b00_1100];

function isStatus(fault: number, status: number): boolean {
  return fault !== 0 && (fault & STATUS_MASK) === status;
}

function isPermissionFault(fault: number): boolean {
  return (fault & 0b11_1100) === 0b00_1100;
}

const LEVEL_0_BLOCK = 2 ** 39;

/** Whether both addresses have the same place in their blocks of 512 GiB. */
function isSameInBlock(address: bigint, physicalAddress: number): boolean {
  return Number(address % BigInt(LEVEL_0_BLOCK)) === physicalAddress % LEVEL_0_BLOCK;
}

/** TCR_EL1.HPD0 and HPD1, TCR_EL2.HPD: of the range that holds the address. */
function hasHierarchicalDisable({ exceptionLevel, tcr }: AArch64Registers, address: bigint): boolean {
  const isUpper = ((address >> 55n) & 1n) === 1n;
  const bit = exceptionLevel === 1 ? (isUpper ? 42n : 41n) : 24n;
  return ((tcr >> bit) & 1n) === 1n;
}

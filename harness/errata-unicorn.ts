import { neededPhysicalAddressBits } from '../guest-stubs/aarch64/stub-plan.ts';
import { Known } from '../src/outcome-list.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';
import {
  HIERARCHICAL_DISABLE,
  isLevel0Block,
  LEVEL_0_BLOCK_BYTES,
  LEVEL_0_BLOCK_FAULTS,
  STATUS_MASK,
} from './errata-qemu-aarch64.ts';

const TEST = 'test/machines/errata.test.ts';
/** The releases that have been looked at: all of them are made from QEMU 5.0. */
const VERSIONS = { from: '2.1', before: '2.2' } as const;
const AARCH64 = { machine: 'unicorn-aarch64', test: TEST, ...VERSIONS } as const;

/** Bits 47:12 of an AArch64 descriptor. */
const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;
/** Of a descriptor above the last level: it leads to a table. */
const TABLE = 0b10n;
const LAST_LEVEL = 3;
/** ESR.xFSC of access flag and permission faults, without their level. */
const LEAF_FAULTS = [0b00_1000, 0b00_1100];

/** Known deviations of Unicorn. */
export const UNICORN_ERRATA: readonly Erratum[] = [
  {
    rule: 'address-size-not-checked',
    ...AARCH64,
    description:
      'an output address beyond TCR_ELx.IPS or PS is used as it is, where it must be an address size fault (Arm ARM D8.2.3)',
    explains: ignoresAddressSize,
  },
  {
    rule: 'level-0-block-accepted',
    ...AARCH64,
    description:
      'a descriptor at level 0 with bits 1:0 = 0b01 translates as a block of 512 GiB, where it is reserved without FEAT_LPA2 and must fault (Arm ARM D8.3.1)',
    explains: acceptsLevel0Block,
  },
  { ...HIERARCHICAL_DISABLE, ...AARCH64 },
];

/** ESR.xFSC of an address size fault: its level alone (Arm ARM D19.2.37). */
function isAddressSizeFault(fault: number): boolean {
  return fault !== 0 && (fault & STATUS_MASK) <= 3;
}

/**
 * A leaf beyond the size: its address is used, or the leaf is refused for what it forbids. A table beyond the size: the
 * walk goes on there, to a fault or to a physical address that is too large.
 */
function ignoresAddressSize({ address, predicted, observed, registers, explain }: DeviatingProbe): boolean {
  if (registers.architecture !== 'aarch64' || !isAddressSizeFault(predicted.fault)) return false;
  const { level, entry = 0n } = explain().at(-1) ?? {};
  if (level === undefined || (level < LAST_LEVEL && (entry & TABLE) !== 0n)) {
    return observed.fault !== 0 || observed.physicalAddress >= 2 ** neededPhysicalAddressBits(registers);
  }
  if (observed.fault !== 0) {
    const isKnown = (observed.known & Known.FaultStatus) !== 0;
    return !isKnown || LEAF_FAULTS.includes((observed.fault & STATUS_MASK) - level);
  }
  const offset = address & ((1n << BigInt(12 + 9 * (LAST_LEVEL - level))) - 1n);
  return BigInt(observed.physicalAddress) === ((entry & OUTPUT_ADDRESS) | offset);
}

function acceptsLevel0Block({ address, observed, explain }: DeviatingProbe): boolean {
  const last = explain().at(-1);
  if (!isLevel0Block(last)) return false;
  if (observed.fault !== 0) {
    const status = observed.fault & STATUS_MASK;
    return LEVEL_0_BLOCK_FAULTS.includes(status);
  }
  const output = ((last?.entry ?? 0n) & OUTPUT_ADDRESS) | (address % LEVEL_0_BLOCK_BYTES);
  return BigInt(observed.physicalAddress) === output;
}

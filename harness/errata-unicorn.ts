import { neededPhysicalAddressBits } from '../guest-stubs/aarch64/stub-plan.ts';
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

/** The walk goes on beyond the size, to another fault or to a physical address that is too large. */
function ignoresAddressSize({ predicted, observed, registers }: DeviatingProbe): boolean {
  return (
    registers.architecture === 'aarch64' &&
    isAddressSizeFault(predicted.fault) &&
    (observed.fault !== 0 || observed.physicalAddress >= 2 ** neededPhysicalAddressBits(registers))
  );
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

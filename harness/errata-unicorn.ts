import { FaultStatus, faultStatusCode } from '../src/aarch64/walk-fault.ts';
import { stageTwoPermissionTable } from '../src/aarch64/walk-rights.ts';
import { rangeOf } from '../src/aarch64/walk-stage.ts';
import { decodeStageOne, isStageOneOn } from '../src/aarch64/walk-stage-one.ts';
import { decodeStageTwo, isStageTwoOn } from '../src/aarch64/walk-stage-two.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';
import {
  HIERARCHICAL_DISABLE,
  inEveryRange,
  RESERVED_BLOCK,
  SHAREABILITY_AS_WRITTEN,
} from './errata-aarch64.ts';
import { STRICTER_DEVICE } from './errata-stricter-device.ts';
import { type WalkErratum, walkErrata } from './errata-walk.ts';
import type { Outcome } from './outcome.ts';

const test = 'test/machines/errata.test.ts';
/** The releases that have been looked at: all of them are made from QEMU 5.0. */
const VERSIONS = { from: '2.1', before: '2.2' } as const;

const ADDRESS_SIZE: WalkErratum = {
  rule: 'address-size-not-checked',
  description:
    'an output address beyond TCR_ELx.IPS or PS is used as it is, where it must be an address size fault (Arm ARM D8.2.3)',
  test,
  deviation: inEveryRange((range) => ({ ...range, outOfRangeHigh: 0, rootOutOfRange: false })),
};

const BLOCK_BITS: WalkErratum = {
  rule: 'block-keeps-low-address-bits',
  description:
    'address bits of a block descriptor below the size of the block (20:12 for 2 MiB, 29:12 for 1 GiB) are RES0 or nT (Arm ARM D8.3.1), but are or-ed into the physical address.',
  test,
  outcome: withLowBitsOfBlock,
};

const WALK_FAULT: WalkErratum = {
  rule: 'stage-one-walk-fault-is-translation-fault-of-stage-one',
  description:
    'where stage 2 forbids a walk of stage 1, the fault status is a translation fault of the level at which the walk of stage 1 was, whatever the fault of stage 2 and its level (Arm ARM D19.2.37, D8.15)',
  test,
  deviation: { tableFaultStatus: (_status, level) => faultStatusCode(FaultStatus.Translation, level) },
};

const ONE_EXECUTE_NEVER_BIT: WalkErratum = {
  rule: 'stage-two-execute-never-is-one-bit',
  description:
    'FEAT_XNX is not there: of XN[1:0] of stage 2 only XN[1] counts, and forbids EL1 and EL0 alike (Arm ARM D8.4.2)',
  test,
  deviation: { stageTwo: (stage) => ({ ...stage, permissions: stageTwoPermissionTable(false) }) },
};

/** Known deviations of Unicorn. */
export const UNICORN_ERRATA: readonly Erratum[] = walkErrata(
  'unicorn-aarch64',
  [
    SHAREABILITY_AS_WRITTEN,
    BLOCK_BITS,
    ADDRESS_SIZE,
    RESERVED_BLOCK,
    HIERARCHICAL_DISABLE,
    WALK_FAULT,
    STRICTER_DEVICE,
    ONE_EXECUTE_NEVER_BIT,
  ].map((erratum) => ({ ...erratum, ...VERSIONS })),
);

/** Bits 47:12 of a descriptor. */
const ADDRESS_FIELD = 0x0000_ffff_ffff_f000n;
const LAST_LEVEL = 3;

/** The same place with the address bits or-ed in that the block's descriptor has below its size and above a page's. */
function withLowBitsOfBlock(predicted: Outcome, { address, explain, registers }: DeviatingProbe): Outcome {
  if (registers.architecture !== 'aarch64') return predicted;
  const hasStageTwo = isStageTwoOn(registers);
  if (hasStageTwo && isStageOneOn(registers)) return predicted; // which block it was is not told apart
  const { entry, level } = explain().at(-1) ?? {};
  if (predicted.fault !== 0 || entry === undefined || level === LAST_LEVEL) return predicted;
  const { ranges } = hasStageTwo ? decodeStageTwo(registers) : decodeStageOne(registers);
  const { granule } = rangeOf(ranges, Number(address >> 32n));
  const kept = entry & ADDRESS_FIELD & (-1n << BigInt(granule.pageShift));
  return { ...predicted, physicalAddress: Number(BigInt(predicted.physicalAddress) | kept) };
}

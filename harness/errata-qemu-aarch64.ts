import { FaultStatus, faultStatusCode } from '../src/aarch64/walk-fault.ts';
import { Access } from '../src/access-list.ts';
import type { Erratum } from './errata.ts';
import {
  HIERARCHICAL_DISABLE,
  inEveryRange,
  RESERVED_BLOCK,
  SHAREABILITY_AS_WRITTEN,
} from './errata-aarch64.ts';
import { STRICTER_DEVICE } from './errata-stricter-device.ts';
import { type WalkErratum, walkErrata } from './errata-walk.ts';

const test = 'test/machines/errata.test.ts';
/** The release that has been looked at. */
const VERSIONS = { from: '7.2', before: '7.3' } as const;

const WALK_FAULT_LEVEL: WalkErratum = {
  rule: 'stage-one-walk-fault-has-level-of-stage-one',
  description:
    'where stage 2 forbids a walk of stage 1, ESR_EL2.xFSC has the level at which the walk of stage 1 was, not the level of the descriptor of stage 2 (Arm ARM D19.2.37, D8.15)',
  test,
  deviation: { tableFaultStatus: (status, level) => faultStatusCode(kindOf(status), level) },
};

const CLEAN_IS_READ_ONLY: WalkErratum = {
  rule: 'clean-writable-page-is-read-only-to-fetches',
  description:
    'with TCR_ELx.HA and HD a page with DBM = 1 and AP[2] = 1 is writable (Arm ARM D8.4.6), but WXN and the rule that what EL0 may write EL1 may not execute let it be executed until a write has made it dirty',
  test: 'test/machines/errata-order.test.ts',
  accesses: [Access.Execute],
  deviation: { stageOne: (stage) => ({ ...stage, hardwareDirty: false }) },
};

const HIGH_ADDRESS_BITS: WalkErratum = {
  rule: 'high-address-bits-ignored-where-output-is-smaller',
  description:
    'where TCR_ELx.IPS or PS give 48 bits or fewer, the descriptor bits that hold address bits 51:48 (15:12, 64 KiB pages with FEAT_LPA) or 51:50 (9:8, DS = 1) are ignored, where one of them set is an address size fault (Arm ARM D8.3.1, D8.2.3)',
  test,
  deviation: inEveryRange((range) =>
    range.outputBits < LARGE_OUTPUT_BITS ? { ...range, layout: { ...range.layout, movedMask: 0 } } : range,
  ),
};
const LARGE_OUTPUT_BITS = 52;

/** The kind of fault that a status code is of, whatever its level. */
function kindOf(status: number): FaultStatus {
  const kinds = Object.values(FaultStatus);
  const levels = [-1, 0, 1, 2, 3];
  return (
    kinds.find((kind) => levels.some((level) => faultStatusCode(kind, level) === status)) ??
    FaultStatus.Translation
  );
}

/** How QEMU's AArch64 TCG walks. */
export const QEMU_AARCH64_RULES: readonly WalkErratum[] = [
  SHAREABILITY_AS_WRITTEN,
  RESERVED_BLOCK,
  WALK_FAULT_LEVEL,
  STRICTER_DEVICE,
  CLEAN_IS_READ_ONLY,
  HIGH_ADDRESS_BITS,
  HIERARCHICAL_DISABLE,
].map((erratum) => ({ ...erratum, ...VERSIONS }));

/** Known deviations of QEMU's AArch64 TCG in what it makes of tables and registers. */
export const QEMU_AARCH64_ERRATA: readonly Erratum[] = walkErrata('qemu-aarch64', QEMU_AARCH64_RULES);

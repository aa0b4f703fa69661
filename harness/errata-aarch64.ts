import type { StageDeviation } from '../src/aarch64/walk-deviation.ts';
import { FIRST_LEVEL } from '../src/aarch64/walk-granule.ts';
import {
  effectiveShareability,
  type MemoryTypeTable,
  SHAREABILITY_COLUMN_SHIFT,
} from '../src/aarch64/walk-memory-type.ts';
import { bit } from '../src/aarch64/walk-registers.ts';
import { SHAREABILITY_INDEX_SHIFT, type WalkRange } from '../src/aarch64/walk-stage.ts';
import { isStageTwoOn } from '../src/aarch64/walk-stage-two.ts';
import type { WalkErratum } from './errata-walk.ts';

/** Deviations that QEMU's AArch64 emulation and what is made from it have in common. */

const test = 'test/machines/errata.test.ts';

export const SHAREABILITY_AS_WRITTEN = {
  rule: 'par-shareability-not-normalised',
  description:
    'PAR_EL1.SH of Device and of Normal Non-cacheable memory is the SH field of the descriptor (of TCR with DS = 1); the architecture has it read as outer shareable (Arm ARM D19.2.108, PAR_EL1.SH).',
  test,
  deviation: {
    stageOne: (stage, registers) =>
      isStageTwoOn(registers) ? stage : { ...stage, memoryTypes: asWritten(stage.memoryTypes) },
  },
} satisfies WalkErratum;

/** SH as it stands in the index, where the architecture has another. */
function asWritten({ types, known }: MemoryTypeTable): MemoryTypeTable {
  const written = types.map((type, index) => {
    const attribute = type & 0xff;
    const sh = index >>> SHAREABILITY_INDEX_SHIFT;
    return effectiveShareability(attribute, sh) === sh ? type : attribute | (sh << SHAREABILITY_COLUMN_SHIFT);
  });
  return { types: written, known };
}

export const RESERVED_BLOCK = {
  rule: 'reserved-block-accepted',
  description:
    'a descriptor with bits 1:0 = 0b01 translates as a block at levels at which it is reserved and must fault: at level 0 (pages of 4 KiB without FEAT_LPA2), at level 1 (16 KiB without FEAT_LPA2, 64 KiB without FEAT_LPA), and with FEAT_LPA2 one level above these (Arm ARM D8.3.1)',
  test,
  deviation: inEveryRange((range) => ({
    ...range,
    layout: { ...range.layout, firstBlockLevel: FIRST_LEVEL },
  })),
} satisfies WalkErratum;

export const HIERARCHICAL_DISABLE = {
  rule: 'hierarchical-disable-without-hpds',
  description:
    'TCR_ELx.HPDn takes effect on CPU models without FEAT_HPDS, where the bit is RES0 (Arm ARM D19.2.147)',
  test,
  deviation: {
    stageOne: (stage, { tcr }) => ({
      ...stage,
      ranges: stage.ranges.map((range, index) => {
        const fields = stage.regime.ranges[index];
        return fields === undefined || !bit(tcr, fields.hierarchicalDisable)
          ? range
          : { ...range, hierarchical: false };
      }),
    }),
  },
} satisfies WalkErratum;

/** A deviation of both stages in each of their ranges. */
export function inEveryRange(change: (range: WalkRange) => WalkRange): StageDeviation {
  return {
    stageOne: (stage) => ({ ...stage, ranges: stage.ranges.map(change) }),
    stageTwo: (stage) => {
      const range = change(stage.range);
      return { ...stage, range, ranges: [range] };
    },
  };
}

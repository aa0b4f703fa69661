import { expect, test } from 'vitest';
import { StageTwoTables } from '../test/machines/aarch64-stage-two-tables.ts';
import { HandmadeTables, type TableOptions } from '../test/machines/aarch64-tables.ts';
import { lackingFeatures } from './aarch64-processor.ts';

/** ID_AA64MMFR0_EL1: physical addresses of 52 bits, every granule, FEAT_LPA2 or not. */
const MMFR0 = {
  plain: 6n | (1n << 20n),
  large: 6n | (1n << 28n) | (2n << 20n),
  largeAtOneOnly: 6n | (1n << 28n) | (2n << 20n) | (2n << 40n) | (2n << 32n),
  no16K: 6n,
  no4K: 6n | (0xfn << 28n) | (1n << 20n),
};
const lacking = (options: TableOptions, features: bigint) =>
  lackingFeatures(new HandmadeTables({ cpu: 'max', ...options }).registers, features);

test('a granule that is not there is named', () => {
  expect(lacking({}, MMFR0.no4K)).toEqual(['has no granule of 4 KiB', 'has no granule of 4 KiB']);
  expect(lacking({ exceptionLevel: 2, pageShift: 14 }, MMFR0.no16K)).toEqual(['has no granule of 16 KiB']);
  expect(lacking({ exceptionLevel: 2, pageShift: 14 }, MMFR0.plain)).toEqual([]);
});

test('so is FEAT_LPA2, where DS asks for it', () => {
  for (const pageShift of [12, 14] as const) {
    const large = { exceptionLevel: 2, largeDescriptors: true, pageShift } as const;
    expect(lacking(large, MMFR0.plain)).toEqual([
      `has no FEAT_LPA2 for a granule of ${2 ** (pageShift - 10)} KiB at stage 1`,
    ]);
    expect(lacking(large, MMFR0.large)).toEqual([]);
    expect(lacking({ ...large, largeDescriptors: false }, MMFR0.plain)).toEqual([]);
  }
});

test('DS means nothing with pages of 64 KiB, and on processors without FEAT_LPA2', () => {
  expect(lacking({ exceptionLevel: 2, largeDescriptors: true, pageShift: 16 }, MMFR0.plain)).toEqual([]);
  const old = { exceptionLevel: 2, largeDescriptors: true, cpu: 'cortex-a72', outputBits: 44 } as const;
  expect(lacking(old, MMFR0.plain)).toEqual([]);
});

test('stage 2 has fields of its own', () => {
  const form = { startLevel: 0, inputBits: 48, largeDescriptors: true, alone: true } as const;
  const { registers } = new StageTwoTables(new HandmadeTables({ cpu: 'max' }), form);
  expect(lackingFeatures(registers, MMFR0.large)).toEqual([]);
  expect(lackingFeatures(registers, MMFR0.largeAtOneOnly)).toEqual([
    'has no FEAT_LPA2 for a granule of 4 KiB at stage 2',
  ]);
});

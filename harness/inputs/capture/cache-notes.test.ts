import { expect, test } from 'vitest';
import type { AArch64Registers } from '../../../src/registers.ts';
import { HandmadeTables } from '../../../test/machines/aarch64-tables.ts';
import { X64_REGISTERS } from '../../../test/support/registers.ts';
import { cacheNotes } from './cache-notes.ts';

const SCTLR_C = 1n << 2n;
const SCTLR_I = 1n << 12n;
const HCR_DC = 1n << 12n;

function notesWithout(bits: bigint, changed: Partial<AArch64Registers> = {}): string[] {
  const { registers } = new HandmadeTables({ exceptionLevel: 2 });
  return cacheNotes({ ...registers, ...changed, sctlr: registers.sctlr & ~bits });
}

test('with caches on nothing is noted', () => {
  expect(notesWithout(0n)).toEqual([]);
});

test('that data or fetches are not cached is noted by the bit that says so', () => {
  expect(notesWithout(SCTLR_C)).toEqual([expect.stringMatching(/^SCTLR_EL2\.C is 0: data accesses /)]);
  expect(notesWithout(SCTLR_I)).toEqual([expect.stringMatching(/^SCTLR_EL2\.I is 0: instruction fetches /)]);
  expect(notesWithout(SCTLR_C | SCTLR_I)).toHaveLength(2);
});

test('where stage 1 is off these bits govern no memory type of tables', () => {
  expect(notesWithout(SCTLR_C, { exceptionLevel: 1, hcrEl2: HCR_DC })).toEqual([]);
});

test('CR0.CD is noted, and CR0 without it is not', () => {
  expect(cacheNotes(X64_REGISTERS)).toEqual([]);
  expect(cacheNotes({ ...X64_REGISTERS, cr0: X64_REGISTERS.cr0 | (1n << 30n) })).toEqual([
    expect.stringContaining('CR0.CD is 1'),
  ]);
});

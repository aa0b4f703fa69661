import { expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { KNOWN_ALL, x64Fault } from '../src/outcome-list.ts';
import { X64_ERRATA } from './errata-x64.ts';
import type { Outcome } from './outcome.ts';

const PAGE_FAULT = 14;
const REGISTERS = {
  architecture: 'x64',
  cr0: 0n,
  cr3: 0n,
  cr4: 0n,
  efer: 0n,
  physicalAddressBits: 40,
} as const;
const faults = (errorCode: number, more: Partial<Outcome> = {}): Outcome => ({
  known: KNOWN_ALL,
  fault: x64Fault(PAGE_FAULT, errorCode),
  faultAddress: 0x5000n,
  physicalAddress: -1,
  memoryType: 0,
  ...more,
});

function isExcused(predicted: Outcome, observed: Outcome): boolean {
  const probe = { address: 0x5000n, access: Access.Read, privilege: Privilege.Supervisor, flags: 0, pkru: 0 };
  const image = { registers: REGISTERS, memory: new PhysicalMemory() };
  return X64_ERRATA.some((erratum) =>
    erratum.explains({ ...probe, ...image, predicted, observed, explain: () => [] }),
  );
}

test('a reserved bit may be reported with P = 0', () => {
  expect(isExcused(faults(0x9), faults(0x8))).toBe(true);
  expect(isExcused(faults(0xf), faults(0xe))).toBe(true);
});

test('with nothing else different, and only where a reserved bit is to be reported', () => {
  expect(isExcused(faults(0x9), faults(0x0))).toBe(false);
  expect(isExcused(faults(0x9), faults(0xa))).toBe(false);
  expect(isExcused(faults(0x9), faults(0x8, { faultAddress: 0x6000n }))).toBe(false);
  expect(isExcused(faults(0x9), faults(0x8, { fault: 0 }))).toBe(false);
  expect(isExcused(faults(0x1), faults(0x0))).toBe(false);
  expect(isExcused(faults(0x8), faults(0x9))).toBe(false);
});

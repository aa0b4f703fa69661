import { describe, expect, test } from 'vitest';
import { HPFAR_NONE, OutcomeList, x64Fault } from '../src/outcome-list.ts';
import type { AArch64Registers } from '../src/registers.ts';
import { EL1_REGISTERS } from '../test/support/registers.ts';
import { FAULT_KIND, faultKindOf } from './expectation-fault-kind.ts';

test.each([
  ['#PF with P=0', x64Fault(14, 0b0_0110), 'unmapped'],
  ['#PF with P=1', x64Fault(14, 0b1_0111), 'forbidden'],
  ['#PF with RSVD', x64Fault(14, 0b0_1001), 'malformed'],
  ['#PF with PK', x64Fault(14, 0b10_0101), 'forbidden'],
  ['#GP', x64Fault(13, 0), 'unmapped'],
  ['#SS', x64Fault(12, 0), 'unmapped'],
  ['#UD', x64Fault(6, 0), 'other'],
])('x64 %s is %s', (_, fault, kind) => {
  expect(FAULT_KIND.x64(fault)).toBe(kind);
});

const DATA_ABORT_SAME_LEVEL = 0x25 << 26;
const FETCH_ABORT_LOWER_LEVEL = 0x20 << 26;

test.each([
  ['address size fault level 0', 0b000000, 'malformed'],
  ['translation fault level 0', 0b000100, 'unmapped'],
  ['translation fault level 3', 0b000111, 'unmapped'],
  ['translation fault level −1', 0b101011, 'unmapped'],
  ['access flag fault level 2', 0b001010, 'malformed'],
  ['permission fault level 1', 0b001101, 'forbidden'],
  ['synchronous external abort', 0b010000, 'other'],
])('AArch64 %s is %s', (_, status, kind) => {
  expect(FAULT_KIND.aarch64((DATA_ABORT_SAME_LEVEL | status) >>> 0)).toBe(kind);
  expect(FAULT_KIND.aarch64((FETCH_ABORT_LOWER_LEVEL | status) >>> 0)).toBe(kind);
});

test('an AArch64 exception that is no abort is no fault of translation, whatever its low bits', () => {
  expect(FAULT_KIND.aarch64((0x22 << 26) | 0b000111)).toBe('other');
});

describe('where stage 2 is alone', () => {
  const stageTwo: AArch64Registers = { ...EL1_REGISTERS, sctlr: 0n, hcrEl2: 1n };
  const kindOf = (status: number, registers: AArch64Registers, hpfar = HPFAR_NONE) => {
    const outcomes = new OutcomeList(1);
    outcomes.fault[0] = (DATA_ABORT_SAME_LEVEL | status) >>> 0;
    outcomes.ensureHpfar()[0] = hpfar;
    return faultKindOf(registers)(outcomes, 0);
  };

  test('an address that stage 1 refuses on the way, for its size, cannot be mapped', () => {
    expect(kindOf(0b000000, stageTwo)).toBe('unmapped');
    expect(kindOf(0b000000, { ...stageTwo, sctlr: 1n, hcrEl2: 1n << 12n })).toBe('unmapped');
  });

  test('an address size fault of stage 2 itself, or at another level, is malformed', () => {
    expect(kindOf(0b000000, stageTwo, 0x1000n)).toBe('malformed');
    expect(kindOf(0b000001, stageTwo)).toBe('malformed');
  });

  test('with stage 1 on, an address size fault at level 0 is malformed', () => {
    expect(kindOf(0b000000, { ...stageTwo, sctlr: 1n })).toBe('malformed');
    expect(kindOf(0b000000, { ...stageTwo, sctlr: 1n, hcrEl2: 0n })).toBe('malformed');
  });
});

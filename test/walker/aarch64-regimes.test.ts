import { describe, expect, it } from 'vitest';
import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import {
  EL1,
  EL2,
  outcome,
  PXN,
  READ_ONLY,
  TABLES,
  TCR_EL1,
  UPPER_ADDRESS,
  USER,
  UXN,
} from './aarch64-page.ts';
import { said } from './said.ts';

const E2H = 1n << 34n;
const TGE = 1n << 27n;

describe('EL3', () => {
  const EL3 = { ...EL2, exceptionLevel: 3 } as const;

  it('translates one range for one privilege, under the layout of TCR_EL2', () => {
    expect(outcome('write', 'supervisor', { registers: EL3 })).toMatchObject({ physicalAddress: 0x9_9120n });
    expect(said(outcome('read', 'supervisor', { registers: EL3, address: UPPER_ADDRESS }))).toBe(
      'data abort, same EL, translation fault level 0, read',
    );
    expect(regimeHasUser(EL3)).toBe(false);
    expect(() => outcome('read', 'user', { registers: EL3 })).toThrow(/privilege 1 does not exist/);
  });

  it('has XN in bit 54 and nothing in bit 53', () => {
    expect(said(outcome('execute', 'supervisor', { registers: EL3, leaf: UXN }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'supervisor', { registers: EL3, leaf: PXN }))).toBe('completes');
  });

  it('ignores HCR_EL2', () => {
    const registers = { ...EL3, hcrEl2: 1n | TGE | E2H };
    expect(said(outcome('read', 'supervisor', { registers }))).toBe('completes');
  });
});

describe('EL2&0 (HCR_EL2.E2H)', () => {
  const HOST = { ...EL1, exceptionLevel: 2, hcrEl2: E2H | TGE } as const;

  it('has both halves, under the layout of TCR_EL1', () => {
    expect(said(outcome('read', 'supervisor', { registers: HOST, address: UPPER_ADDRESS }))).toBe(
      'completes',
    );
    const disabled = { ...HOST, tcr: TCR_EL1 | (1n << 23n) };
    expect(said(outcome('read', 'supervisor', { registers: disabled, address: UPPER_ADDRESS }))).toBe(
      'data abort, same EL, translation fault level 0, read',
    );
    expect(said(outcome('read', 'supervisor', { registers: disabled }))).toBe('completes');
  });

  it('gives rights to EL0, whose faults come from a lower level', () => {
    expect(said(outcome('read', 'user', { registers: HOST, leaf: USER | READ_ONLY }))).toBe('completes');
    expect(said(outcome('read', 'user', { registers: HOST, leaf: READ_ONLY }))).toBe(
      'data abort, lower EL, permission fault level 3, read',
    );
    expect(said(outcome('execute', 'supervisor', { registers: HOST, leaf: PXN }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
  });

  it('without TGE has no accesses from EL0, but their rights still count for EL2', () => {
    const registers = { ...HOST, hcrEl2: E2H };
    expect(regimeHasUser(registers)).toBe(false);
    expect(regimeHasUser(HOST)).toBe(true);
    expect(() => outcome('read', 'user', { registers })).toThrow(/privilege 1 does not exist/);
    expect(said(outcome('execute', 'supervisor', { registers, leaf: USER }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'supervisor', { registers, leaf: USER | READ_ONLY }))).toBe('completes');
  });

  it('a processor without FEAT_VHE ignores E2H', () => {
    const registers = { ...EL2, hcrEl2: E2H, cpu: 'cortex-a72' };
    expect(said(outcome('execute', 'supervisor', { registers, leaf: PXN }))).toBe('completes');
    expect(regimeHasUser(registers)).toBe(false);
  });

  it('takes the base of the upper half from TTBR1', () => {
    const registers = { ...HOST, ttbr0: 0xffff_f000n, ttbr1: TABLES[0] };
    expect(said(outcome('read', 'user', { registers, address: UPPER_ADDRESS }))).toBe('completes');
    expect(said(outcome('read', 'user', { registers }))).toBe('no memory at 0xfffff000');
  });
});

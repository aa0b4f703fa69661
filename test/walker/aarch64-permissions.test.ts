import { describe, expect, it } from 'vitest';
import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import {
  EL1,
  EL2,
  NO_USER_TABLE,
  outcome,
  PXN,
  PXN_TABLE,
  READ_ONLY,
  READ_ONLY_TABLE,
  TABLE,
  TABLES,
  TCR_EL2,
  tcr,
  UPPER_ADDRESS,
  USER,
  UXN,
  UXN_TABLE,
} from './aarch64-page.ts';
import { said } from './said.ts';

const WXN = { sctlr: 1n | (1n << 19n) };
const table1 = (bits: bigint) => ({ descriptors: { 1: TABLES[2] | TABLE | bits } });

describe('EL1&0: direct permissions', () => {
  it('AP = 01 allows data to both levels, and forbids execution at EL1 because EL0 can write', () => {
    expect(said(outcome('write', 'user'))).toBe('completes');
    expect(said(outcome('write', 'supervisor'))).toBe('completes');
    expect(said(outcome('execute', 'user'))).toBe('completes');
    expect(said(outcome('execute', 'supervisor'))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
  });

  it('AP = 00 keeps data from EL0 but not execution', () => {
    expect(said(outcome('read', 'user', { leaf: 0n }))).toBe(
      'data abort, lower EL, permission fault level 3, read',
    );
    expect(said(outcome('write', 'user', { leaf: 0n }))).toBe(
      'data abort, lower EL, permission fault level 3, write',
    );
    expect(said(outcome('execute', 'user', { leaf: 0n }))).toBe('completes');
    expect(said(outcome('execute', 'supervisor', { leaf: 0n }))).toBe('completes');
  });

  it('AP[2] forbids writes at both levels and lets EL1 execute', () => {
    const leaf = READ_ONLY | USER;
    expect(said(outcome('write', 'supervisor', { leaf }))).toBe(
      'data abort, same EL, permission fault level 3, write',
    );
    expect(said(outcome('write', 'user', { leaf }))).toBe(
      'data abort, lower EL, permission fault level 3, write',
    );
    expect(said(outcome('read', 'user', { leaf }))).toBe('completes');
    expect(said(outcome('execute', 'supervisor', { leaf }))).toBe('completes');
  });

  it('PXN concerns EL1 only, UXN EL0 only', () => {
    expect(said(outcome('execute', 'supervisor', { leaf: PXN }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'user', { leaf: PXN }))).toBe('completes');
    expect(said(outcome('execute', 'user', { leaf: UXN }))).toBe(
      'instruction abort, lower EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'supervisor', { leaf: UXN }))).toBe('completes');
    expect(said(outcome('read', 'user', { leaf: UXN | PXN | USER }))).toBe('completes');
  });

  it('WXN forbids execution of what the same level can write', () => {
    expect(said(outcome('execute', 'supervisor', { leaf: 0n, registers: WXN }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'user', { leaf: 0n, registers: WXN }))).toBe('completes');
    expect(said(outcome('execute', 'user', { leaf: USER, registers: WXN }))).toBe(
      'instruction abort, lower EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'supervisor', { leaf: READ_ONLY, registers: WXN }))).toBe('completes');
  });
});

describe('EL1&0: hierarchical permissions', () => {
  const RO_USER = READ_ONLY | USER;

  it('APTable[1] forbids writes, APTable[0] forbids EL0 data accesses', () => {
    expect(said(outcome('write', 'supervisor', table1(READ_ONLY_TABLE)))).toBe(
      'data abort, same EL, permission fault level 3, write',
    );
    expect(said(outcome('read', 'user', table1(READ_ONLY_TABLE)))).toBe('completes');
    expect(said(outcome('read', 'user', table1(NO_USER_TABLE)))).toBe(
      'data abort, lower EL, permission fault level 3, read',
    );
    expect(said(outcome('write', 'supervisor', table1(NO_USER_TABLE)))).toBe('completes');
  });

  it('APTable[0] takes the EL0 write away that would keep EL1 from executing', () => {
    expect(said(outcome('execute', 'supervisor', table1(NO_USER_TABLE)))).toBe('completes');
    expect(said(outcome('execute', 'supervisor', table1(0n)))).not.toBe('completes');
  });

  it('PXNTable and UXNTable forbid execution below', () => {
    expect(said(outcome('execute', 'supervisor', { ...table1(PXN_TABLE), leaf: RO_USER }))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'user', { ...table1(PXN_TABLE), leaf: RO_USER }))).toBe('completes');
    expect(said(outcome('execute', 'user', { ...table1(UXN_TABLE), leaf: RO_USER }))).toBe(
      'instruction abort, lower EL, permission fault level 3',
    );
  });

  it('with HPD0 they do not count in the lower half, and count in the upper half', () => {
    const all = READ_ONLY_TABLE | NO_USER_TABLE | PXN_TABLE | UXN_TABLE;
    const options = { ...table1(all), registers: tcr(41) };
    expect(said(outcome('write', 'user', options))).toBe('completes');
    expect(said(outcome('write', 'user', { ...options, address: UPPER_ADDRESS }))).not.toBe('completes');
    expect(
      said(outcome('write', 'user', { ...options, registers: { ...tcr(41), cpu: 'cortex-a72' } })),
    ).not.toBe('completes');
  });
});

describe('EL2: one privilege', () => {
  const el2 = (leaf: bigint, more: Partial<typeof EL2> = {}) => ({ leaf, registers: { ...EL2, ...more } });

  it('bit 54 forbids execution, bit 53 and AP[1] mean nothing', () => {
    expect(said(outcome('execute', 'supervisor', el2(UXN)))).toBe(
      'instruction abort, same EL, permission fault level 3',
    );
    expect(said(outcome('execute', 'supervisor', el2(PXN | USER)))).toBe('completes');
    expect(said(outcome('write', 'supervisor', el2(READ_ONLY)))).toBe(
      'data abort, same EL, permission fault level 3, write',
    );
  });

  it('APTable[0] and PXNTable mean nothing, XNTable and APTable[1] count', () => {
    const with1 = (bits: bigint) => ({ ...table1(bits), registers: EL2 });
    expect(said(outcome('execute', 'supervisor', with1(PXN_TABLE | NO_USER_TABLE)))).toBe('completes');
    expect(said(outcome('execute', 'supervisor', with1(UXN_TABLE)))).not.toBe('completes');
    expect(said(outcome('write', 'supervisor', with1(READ_ONLY_TABLE)))).not.toBe('completes');
    const hpd = { ...with1(UXN_TABLE | READ_ONLY_TABLE), registers: { ...EL2, tcr: TCR_EL2 | (1n << 24n) } };
    expect(said(outcome('execute', 'supervisor', hpd))).toBe('completes');
    expect(said(outcome('write', 'supervisor', hpd))).toBe('completes');
  });

  it('WXN forbids execution of what is writable', () => {
    expect(said(outcome('execute', 'supervisor', el2(0n, WXN)))).not.toBe('completes');
    expect(said(outcome('execute', 'supervisor', el2(READ_ONLY, WXN)))).toBe('completes');
  });

  it('has no upper half: an address with bit 55 set is a translation fault at level 0', () => {
    const options = { address: UPPER_ADDRESS, registers: EL2 };
    expect(said(outcome('read', 'supervisor', options))).toBe(
      'data abort, same EL, translation fault level 0, read',
    );
  });

  it('has no user accesses: to ask for one is an error', () => {
    expect(() => outcome('read', 'user', { registers: EL2 })).toThrow(
      /access 0 at 0x1c120b120: .*privilege 1/,
    );
    expect(regimeHasUser(EL2)).toBe(false);
    expect(regimeHasUser(EL1)).toBe(true);
  });
});

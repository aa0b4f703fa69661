import { describe, expect, test } from 'vitest';
import { Privilege } from '../src/access-list.ts';
import type { AArch64Registers } from '../src/registers.ts';
import { X64_REGISTERS } from '../test/support/registers.ts';
import { probedSpace } from './plan-space.ts';

const BOTH = [Privilege.Supervisor, Privilege.User];

describe('x64', () => {
  test('translates both canonical halves of 48 bits with four levels', () => {
    expect(probedSpace(X64_REGISTERS)).toEqual({
      translated: [
        { firstPage: 0, pageCount: 2 ** 35 },
        { firstPage: 2 ** 52 - 2 ** 35, pageCount: 2 ** 35 },
      ],
      privileges: BOTH,
    });
  });

  test('… and of 57 bits with five', () => {
    expect(probedSpace({ ...X64_REGISTERS, cr4: 0x1020n }).translated).toEqual([
      { firstPage: 0, pageCount: 2 ** 44 },
      { firstPage: 2 ** 52 - 2 ** 44, pageCount: 2 ** 44 },
    ]);
  });
});

describe('AArch64', () => {
  const el1: AArch64Registers = {
    architecture: 'aarch64',
    exceptionLevel: 1,
    ttbr0: 0n,
    ttbr1: 0n,
    // T0SZ 20, T1SZ 25, both of 4 KiB granules.
    tcr: 20n | (25n << 16n) | (0b10n << 30n) | (0b101n << 32n),
    mair: 0xffn,
    sctlr: 1n,
    hcrEl2: 0n,
  };

  test('EL1&0 translates what T0SZ and T1SZ leave, and has a user', () => {
    expect(probedSpace(el1)).toEqual({
      translated: [
        { firstPage: 0, pageCount: 2 ** 32 },
        { firstPage: 2 ** 52 - 2 ** 27, pageCount: 2 ** 27 },
      ],
      privileges: BOTH,
    });
  });

  test('EL2 translates one range and has no user', () => {
    const el2 = { ...el1, exceptionLevel: 2 as const, tcr: 16n | (0b101n << 16n) };
    expect(probedSpace(el2)).toEqual({
      translated: [{ firstPage: 0, pageCount: 2 ** 36 }],
      privileges: [Privilege.Supervisor],
    });
  });

  test('EL2&0 translates both halves, and has a user with HCR_EL2.TGE only', () => {
    const host = { ...el1, exceptionLevel: 2 as const, hcrEl2: (1n << 34n) | (1n << 27n) };
    expect(probedSpace(host)).toEqual(probedSpace(el1));
    expect(probedSpace({ ...host, hcrEl2: 1n << 34n }).privileges).toEqual([Privilege.Supervisor]);
  });

  test('stage 2 alone translates what VTCR_EL2.T0SZ leaves; under stage 1 the halves count', () => {
    const stageTwo = { hcrEl2: 1n, vtcr: 25n | (1n << 6n) | (5n << 16n), vttbr: 0n };
    expect(probedSpace({ ...el1, ...stageTwo, sctlr: 0n })).toEqual({
      translated: [{ firstPage: 0, pageCount: 2 ** 27 }],
      privileges: BOTH,
    });
    expect(probedSpace({ ...el1, ...stageTwo })).toEqual(probedSpace(el1));
  });
});

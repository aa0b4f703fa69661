import { describe, expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { memoryAttributeByName } from '../src/memory-attributes.ts';
import type { AArch64Registers, X64Registers } from '../src/registers.ts';
import { EL1_REGISTERS, X64_REGISTERS } from '../test/support/registers.ts';
import { Expected, expectationOf, type PageStatement, permissionControls } from './expectation.ts';
import { acceptedMemoryTypes, memoryTypesOf } from './expectation-memory-type.ts';
import type { AArch64MemoryTypeName } from './inputs/layout/aarch64-region.ts';

function bits(names: readonly string[]): number {
  return names.reduce((all, name) => all | (memoryAttributeByName(name) ?? Number.NaN), 0);
}

/** "rwx r-x": what the supervisor and the user may do; "unmapped" if nothing may be there. */
function promise(attributes: number | undefined, registers: X64Registers | AArch64Registers): string {
  return promiseOfStatement(attributes === undefined ? undefined : { attributes }, registers);
}

function promiseOfStatement(
  statement: PageStatement | undefined,
  registers: X64Registers | AArch64Registers,
): string {
  const { byAccess } = expectationOf(statement, permissionControls(registers));
  if (byAccess.every((expected) => expected === Expected.Unmapped)) return 'unmapped';
  const may = (access: Access, privilege: Privilege, letter: string) =>
    byAccess[access + 3 * privilege] === Expected.Completes ? letter : '-';
  return [Privilege.Supervisor, Privilege.User]
    .map(
      (privilege) =>
        may(Access.Read, privilege, 'r') +
        may(Access.Write, privilege, 'w') +
        may(Access.Execute, privilege, 'x'),
    )
    .join(' ');
}

describe('an x64 region promises', () => {
  test.each([
    [[], 'rwx rwx'],
    [['read-only'], 'r-x r-x'],
    [['execute-protect'], 'rw- rw-'],
    [['read-only', 'execute-protect'], 'r-- r--'],
    [['supervisor'], 'rwx ---'],
    [['supervisor', 'read-only', 'execute-protect'], 'r-- ---'],
    [['read-protect'], 'unmapped'],
    [['read-protect', 'supervisor'], 'unmapped'],
    [['uncached', 'write-protect'], 'rwx rwx'],
  ])('%j: %s', (names, rights) => {
    expect(promise(bits(names), X64_REGISTERS)).toBe(rights);
  });

  test('nothing where no region is', () => {
    expect(promise(undefined, X64_REGISTERS)).toBe('unmapped');
  });

  test('read-only to the supervisor even if CR0.WP is clear: the tables alone do not keep that promise', () => {
    expect(promise(bits(['read-only']), { ...X64_REGISTERS, cr0: 0x8000_0033n })).toBe('r-x r-x');
  });

  test('no supervisor fetch from what is the user’s under SMEP, and no supervisor data access under SMAP', () => {
    expect(promise(0, { ...X64_REGISTERS, cr4: 0x10_0020n })).toBe('rw- rwx');
    expect(promise(0, { ...X64_REGISTERS, cr4: 0x20_0020n })).toBe('--x rwx');
    expect(promise(bits(['supervisor']), { ...X64_REGISTERS, cr4: 0x30_0020n })).toBe('rwx ---');
  });
});

describe('an AArch64 EL1 region promises', () => {
  test.each([
    [['writeback'], 'rwx --x'],
    [['writeback', 'read-only'], 'r-x --x'],
    [['writeback', 'execute-protect'], 'rw- ---'],
    [['writeback', 'read-only', 'execute-protect'], 'r-- ---'],
    [['writeback', 'read-protect'], 'unmapped'],
  ])('%j: %s', (names, rights) => {
    expect(promise(bits(names), EL1_REGISTERS)).toBe(rights);
  });
});

describe('what is said of EL0', () => {
  const promiseOf = (names: readonly string[], letters: string) => {
    const user = {
      read: letters.includes('r'),
      write: letters.includes('w'),
      execute: letters.includes('x'),
    };
    return promiseOfStatement({ attributes: bits(names), aarch64: { user } }, EL1_REGISTERS);
  };

  test.each([
    [['read-only', 'execute-protect'], 'rx', 'r-- r-x'],
    [['read-only'], 'r', 'r-x r--'],
    [['execute-protect'], 'rw', 'rw- rw-'],
    [['execute-protect'], 'x', 'rw- --x'],
    [[], '', 'rwx ---'],
    [['read-protect'], 'r', 'unmapped'],
  ])('%j and user %s: %s', (names, letters, rights) => {
    expect(promiseOf(names, letters)).toBe(rights);
  });
});

describe('stage 2 promises EL0 what it promises EL1', () => {
  test.each([
    [['writeback'], 'rwx rwx'],
    [['writeback', 'read-only'], 'r-x r-x'],
    [['writeback', 'execute-protect'], 'rw- rw-'],
  ])('%j: %s', (names, rights) => {
    for (const hcrEl2 of [1n, 1n << 12n])
      expect(promise(bits(names), { ...EL1_REGISTERS, hcrEl2 })).toBe(rights);
  });
});

test.each([
  ['none', '--- ---'],
  ['w', '-w- -w-'],
  ['rx', 'r-x r-x'],
  ['rwx', 'rwx rwx'],
])('what is said of a guest, %s, holds for EL1 and EL0', (word, rights) => {
  const guest = {
    read: word.includes('r'),
    write: word.includes('w'),
    execute: word.includes('x'),
  };
  const statement = { attributes: 0, aarch64: { guest } };
  expect(promiseOfStatement(statement, { ...EL1_REGISTERS, hcrEl2: 1n })).toBe(rights);
});

describe('a memory type that is named', () => {
  const typesOf = (memoryType: AArch64MemoryTypeName) =>
    memoryTypesOf({ attributes: 0, aarch64: { memoryType } }, 'aarch64');

  test.each([
    ['device-nGnRnE', 0x00],
    ['device-nGnRE', 0x04],
    ['device-nGRE', 0x08],
    ['device-GRE', 0x0c],
    ['normal-non-cacheable', 0x44],
    ['normal-write-through', 0xbb],
    ['normal-write-back', 0xff],
  ] as const)('%s is fulfilled by the MAIR byte %i alone', (name, byte) => {
    expect([...typesOf(name).entries()].filter(([, fulfils]) => fulfils !== 0)).toEqual([[byte, 1]]);
  });
});

describe('memory types that fulfil', () => {
  const accepted = (name: string, architecture: 'x64' | 'aarch64') =>
    [...acceptedMemoryTypes(bits(name === '' ? [] : [name]), architecture).entries()]
      .filter(([, fulfils]) => fulfils !== 0)
      .map(([type]) => type);

  test.each([
    ['', [6]],
    ['writeback', [6]],
    ['uncached', [0, 6, 7]],
    ['write-combining', [1, 6]],
    ['write-through', [4, 6]],
    ['write-protect', [5, 6]],
  ])('x64 "%s": the PAT types %j', (name, types) => {
    expect(accepted(name, 'x64')).toEqual(types);
  });

  test('AArch64 uncached: the four kinds of device memory', () => {
    expect(accepted('uncached', 'aarch64')).toEqual([0x00, 0x04, 0x08, 0x0c]);
  });

  test('AArch64 write-combining: normal non-cacheable', () => {
    expect(accepted('write-combining', 'aarch64')).toEqual([0x44]);
  });

  test('AArch64 writeback: write-back inside and outside, and nothing less', () => {
    const types = accepted('', 'aarch64');
    expect(types).toContain(0xff);
    expect(types).toContain(0x77);
    for (const other of [0x00, 0x44, 0xbb, 0xf4, 0x4f, 0xfb]) expect(types).not.toContain(other);
  });

  test('AArch64 write-through: write-through inside and outside, and nothing less', () => {
    const types = accepted('write-through', 'aarch64');
    expect(types).toContain(0xbb);
    for (const other of [0x00, 0x04, 0x44, 0xff, 0xfb, 0x4b]) expect(types).not.toContain(other);
  });
});

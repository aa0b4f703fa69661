import { describe, expect, it } from 'vitest';
import { createWalker } from '../../src/walker.ts';
import {
  ADDRESS as A_ADDRESS,
  PAGE as A_PAGE,
  TABLES as A_TABLES,
  AF,
  page as aarch64Page,
  attribute,
  EL1,
  EL2,
  NO_USER_TABLE,
  PAGE_TYPE,
  PXN_TABLE,
  READ_ONLY,
  shareability,
  TABLE,
  UXN,
  UXN_TABLE,
} from './aarch64-page.ts';
import { ADDRESS, CR4, entryAddress, P, PAGE, PCD, PS, page, RW, TABLES, US, XD } from './x64-page.ts';

describe('explain on x64', () => {
  const explain = (options: Parameters<typeof page>[0], address = ADDRESS) => {
    const { memory, registers } = page(options);
    return createWalker(memory, registers).explain(address);
  };

  it('shows each level: table, index, entry, flags by name, what it forbids, where it leads', () => {
    const entries = {
      PML4: TABLES.PDPT | P | RW | US | XD,
      PD: TABLES.PT | P | US,
      PT: PAGE | P | RW | PCD | (1n << 6n),
    };
    const steps = explain({ entries });
    expect(steps.map(({ levelName, index }) => [levelName, index])).toEqual([
      ['PML4', 5],
      ['PDPT', 7],
      ['PD', 9],
      ['PT', 11],
    ]);
    expect(steps[0]).toEqual({
      level: 4,
      levelName: 'PML4',
      tableAddress: TABLES.PML4,
      index: 5,
      entryAddress: entryAddress('PML4'),
      entry: entries.PML4,
      kind: 'table',
      flags: ['P', 'R/W', 'U/S', 'XD'],
      forbids: ['execute'],
      next: TABLES.PDPT,
      problem: undefined,
      permissions: undefined,
    });
    expect(steps[2]).toMatchObject({ forbids: ['write'], next: TABLES.PT });
    expect(steps[3]).toMatchObject({
      kind: 'leaf',
      flags: ['P', 'R/W', 'PCD', 'D'],
      forbids: ['user access'],
      next: PAGE,
      permissions: {
        supervisor: { read: true, write: false, execute: false },
        user: { read: false, write: false, execute: false },
      },
    });
  });

  it('with LA57 starts at PML5', () => {
    const registers = { cr3: TABLES.PML5, cr4: 0x20n | CR4.LA57 };
    expect(explain({ registers }).map(({ levelName }) => levelName)).toEqual([
      'PML5',
      'PML4',
      'PDPT',
      'PD',
      'PT',
    ]);
  });

  it('names PS and PAT by the kind of leaf, and the protection key with CR4.PKE', () => {
    const large = { PD: (1n << 30n) | P | PS | (1n << 12n) | (1n << 8n) | (3n << 59n) };
    expect(explain({ entries: large }).at(-1)?.flags).toEqual(['P', 'PS', 'G', 'PAT']);
    const keyed = explain({ entries: large, registers: { cr4: 0x20n | CR4.PKE } }).at(-1);
    expect(keyed?.flags).toEqual(['P', 'PS', 'G', 'PAT', 'key 3']);
    expect(explain({ entries: { PT: PAGE | P | (1n << 7n) } }).at(-1)?.flags).toEqual(['P', 'PAT']);
  });

  it('ends at the entry that faults and says why', () => {
    expect(explain({ entries: { PD: 0x1234n << 12n } }).at(-1)).toMatchObject({
      levelName: 'PD',
      kind: 'fault',
      flags: [],
      next: undefined,
      problem: 'not present',
    });
    const reserved = { PML4: TABLES.PDPT | P | PS | (1n << 45n) };
    expect(explain({ entries: reserved }).at(-1)).toMatchObject({
      kind: 'fault',
      problem: 'reserved: bits 7, 45',
    });
    const misaligned = { PD: (1n << 30n) | P | PS | (1n << 13n) };
    expect(explain({ entries: misaligned }).at(-1)).toMatchObject({ problem: 'reserved: bit 13' });
    const outside = explain({ entries: { PDPT: 0x77_0000n | P } });
    expect(outside.at(-1)).toMatchObject({
      levelName: 'PD',
      tableAddress: 0x77_0000n,
      entry: undefined,
      kind: 'fault',
      problem: 'no memory holds this table',
    });
  });

  it('has no steps for a non-canonical address', () => {
    expect(explain({}, 1n << 50n)).toEqual([]);
  });
});

describe('explain on AArch64', () => {
  const explain = (options: Parameters<typeof aarch64Page>[0] = {}, address = A_ADDRESS) => {
    const { memory, registers } = aarch64Page(options);
    return createWalker(memory, registers).explain(address);
  };

  it('shows each level and what it forbids', () => {
    const descriptors = {
      0: A_TABLES[1] | TABLE | NO_USER_TABLE,
      1: A_TABLES[2] | TABLE | PXN_TABLE | UXN_TABLE,
      3: A_PAGE | PAGE_TYPE | AF | READ_ONLY | UXN | attribute(2n) | shareability(3n),
    };
    const steps = explain({ descriptors });
    expect(steps.map(({ levelName, index }) => [levelName, index])).toEqual([
      ['level 0', 0],
      ['level 1', 7],
      ['level 2', 9],
      ['level 3', 11],
    ]);
    expect(steps[0]).toMatchObject({ kind: 'table', flags: ['APTable[0]'], forbids: ['user access'] });
    expect(steps[1]).toMatchObject({ forbids: ['user execute', 'supervisor execute'], next: A_TABLES[2] });
    expect(steps[3]).toMatchObject({
      kind: 'leaf',
      flags: ['AttrIndx 2', 'AP[2]', 'SH 3', 'AF', 'UXN'],
      forbids: ['write', 'user access', 'user execute'],
      next: A_PAGE,
      permissions: {
        supervisor: { read: true, write: false, execute: false },
        user: { read: false, write: false, execute: false },
      },
    });
  });

  it('at EL2 names what its one level may not do', () => {
    const steps = explain({
      registers: EL2,
      leaf: UXN | READ_ONLY,
      descriptors: { 1: A_TABLES[2] | TABLE | UXN_TABLE },
    });
    expect(steps[1]).toMatchObject({ forbids: ['execute'] });
    expect(steps[3]).toMatchObject({ forbids: ['write', 'execute'] });
  });

  it('ends at the descriptor that faults and says why', () => {
    expect(explain({ descriptors: { 1: 2n } }).at(-1)).toMatchObject({
      level: 1,
      kind: 'fault',
      problem: 'invalid',
    });
    expect(explain({ descriptors: { 0: 1n } }).at(-1)).toMatchObject({
      level: 0,
      problem: 'reserved: no blocks at this level',
    });
    expect(explain({ descriptors: { 3: A_PAGE | 1n } }).at(-1)).toMatchObject({
      problem: 'reserved: not a page descriptor',
    });
    const far = {
      descriptors: { 2: A_TABLES[3] | TABLE | (1n << 45n) },
      registers: { physicalAddressBits: 44 },
    };
    expect(explain(far).at(-1)).toMatchObject({
      level: 2,
      problem: 'the address 0x200000005000 is beyond 44 bits',
    });
    expect(explain({ descriptors: { 3: A_PAGE | PAGE_TYPE } }).at(-1)).toMatchObject({
      kind: 'leaf',
      problem: 'the access flag is clear',
    });
    expect(explain({ descriptors: { 2: 0x77_0000n | TABLE } }).at(-1)).toMatchObject({
      level: 3,
      problem: 'no memory holds this table',
    });
  });

  it('has no steps where no descriptor is read: outside the halves, or with the half switched off', () => {
    expect(explain({}, 1n << 50n)).toEqual([]);
    expect(explain({ registers: { tcr: EL1.tcr | (1n << 7n) } })).toEqual([]);
  });
});

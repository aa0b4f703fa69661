import { describe, expect, it } from 'vitest';
import { AccessFlag } from '../../src/access-list.ts';
import { said } from './said.ts';
import { ADDRESS, CR4, outcome, P, PAGE, PCD, PS, PWT, RW, TABLES, US, XD } from './x64-page.ts';

const NO_WP = { cr0: 0x8000_0001n };
const NO_NX = { efer: 0x500n };
const cr4 = (...bits: bigint[]) => ({ cr4: bits.reduce((all, bit) => all | bit, 0x20n) });
const SUPERVISOR_PAGE = { entries: { PT: PAGE | P | RW } };
const READ_ONLY_PAGE = { entries: { PT: PAGE | P | US } };
const NX_PAGE = { entries: { PT: PAGE | P | RW | US | XD } };

describe('present', () => {
  it('a page that every entry allows completes every access of both privileges', () => {
    for (const who of ['supervisor', 'user'] as const) {
      for (const what of ['read', 'write', 'execute'] as const) {
        expect(outcome(what, who)).toMatchObject({
          kind: 'completes',
          physicalAddress: PAGE | 0x123n,
          level: 1,
        });
      }
    }
  });

  it.each(['PML4', 'PDPT', 'PD', 'PT'] as const)('a %s entry without P faults with P=0', (structure) => {
    const entries = { [structure]: 0xffff_ffff_ffff_fffen };
    expect(said(outcome('read', 'supervisor', { entries }))).toBe('#PF error code 0x0');
    expect(said(outcome('write', 'user', { entries }))).toBe('#PF error code 0x6 (W, U)');
    expect(said(outcome('execute', 'user', { entries }))).toBe('#PF error code 0x14 (U, I)');
  });

  it('a page fault reports the address in CR2', () => {
    expect(outcome('read', 'user', { entries: { PT: 0n } })).toMatchObject({
      kind: 'faults',
      faultAddress: ADDRESS,
    });
  });
});

describe('R/W and CR0.WP', () => {
  it('a write to a read-only page faults with P=1, W=1', () => {
    expect(said(outcome('write', 'supervisor', READ_ONLY_PAGE))).toBe('#PF error code 0x3 (P, W)');
    expect(said(outcome('write', 'user', READ_ONLY_PAGE))).toBe('#PF error code 0x7 (P, W, U)');
    expect(said(outcome('read', 'user', READ_ONLY_PAGE))).toBe('completes');
  });

  it('a supervisor write to a read-only page completes without CR0.WP, a user write does not', () => {
    const options = { ...READ_ONLY_PAGE, registers: NO_WP };
    expect(said(outcome('write', 'supervisor', options))).toBe('completes');
    expect(said(outcome('write', 'user', options))).toBe('#PF error code 0x7 (P, W, U)');
  });

  it.each(['PML4', 'PDPT', 'PD'] as const)('a read-only %s entry forbids writes below it', (structure) => {
    const next = { PML4: TABLES.PDPT, PDPT: TABLES.PD, PD: TABLES.PT }[structure];
    expect(said(outcome('write', 'user', { entries: { [structure]: next | P | US } }))).toBe(
      '#PF error code 0x7 (P, W, U)',
    );
    expect(said(outcome('write', 'user', { entries: { [structure]: next | P | US | RW } }))).toBe(
      'completes',
    );
  });
});

describe('U/S, SMEP and SMAP', () => {
  it('a user access to a supervisor page faults with P=1, U=1, a supervisor access completes', () => {
    expect(said(outcome('read', 'user', SUPERVISOR_PAGE))).toBe('#PF error code 0x5 (P, U)');
    expect(said(outcome('execute', 'user', SUPERVISOR_PAGE))).toBe('#PF error code 0x15 (P, U, I)');
    expect(said(outcome('read', 'supervisor', SUPERVISOR_PAGE))).toBe('completes');
  });

  it('a supervisor entry at any level makes the address a supervisor address', () => {
    const entries = { PML4: TABLES.PDPT | P | RW };
    expect(said(outcome('read', 'user', { entries }))).toBe('#PF error code 0x5 (P, U)');
    expect(said(outcome('execute', 'supervisor', { entries, registers: cr4(CR4.SMEP) }))).toBe('completes');
  });

  it('with SMEP a supervisor fetch from a user page faults, without it completes', () => {
    expect(said(outcome('execute', 'supervisor', { registers: cr4(CR4.SMEP) }))).toBe(
      '#PF error code 0x11 (P, I)',
    );
    expect(said(outcome('execute', 'supervisor'))).toBe('completes');
    expect(said(outcome('execute', 'user', { registers: cr4(CR4.SMEP) }))).toBe('completes');
  });

  it('with SMAP supervisor data accesses to a user page fault unless EFLAGS.AC is set', () => {
    const registers = cr4(CR4.SMAP);
    const flags = AccessFlag.AlignmentCheck;
    expect(said(outcome('read', 'supervisor', { registers }))).toBe('#PF error code 0x1 (P)');
    expect(said(outcome('write', 'supervisor', { registers }))).toBe('#PF error code 0x3 (P, W)');
    expect(said(outcome('read', 'supervisor', { registers, flags }))).toBe('completes');
    expect(said(outcome('write', 'supervisor', { registers, flags }))).toBe('completes');
  });

  it('SMAP does not concern fetches, user accesses or supervisor pages', () => {
    const registers = cr4(CR4.SMAP);
    expect(said(outcome('execute', 'supervisor', { registers }))).toBe('completes');
    expect(said(outcome('write', 'user', { registers }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { ...SUPERVISOR_PAGE, registers }))).toBe('completes');
  });

  it('with SMAP, EFLAGS.AC and no CR0.WP a supervisor writes to a read-only user page', () => {
    const flags = AccessFlag.AlignmentCheck;
    const options = { ...READ_ONLY_PAGE, flags };
    expect(
      said(outcome('write', 'supervisor', { ...options, registers: { ...cr4(CR4.SMAP), ...NO_WP } })),
    ).toBe('completes');
    expect(said(outcome('write', 'supervisor', { ...options, registers: cr4(CR4.SMAP) }))).toBe(
      '#PF error code 0x3 (P, W)',
    );
  });
});

describe('XD', () => {
  it('a fetch from a page with XD faults for both privileges, data accesses complete', () => {
    expect(said(outcome('execute', 'supervisor', NX_PAGE))).toBe('#PF error code 0x11 (P, I)');
    expect(said(outcome('execute', 'user', NX_PAGE))).toBe('#PF error code 0x15 (P, U, I)');
    expect(said(outcome('write', 'user', NX_PAGE))).toBe('completes');
  });

  it('XD in a table entry forbids fetches below it', () => {
    const entries = { PDPT: TABLES.PD | P | RW | US | XD };
    expect(said(outcome('execute', 'supervisor', { entries }))).toBe('#PF error code 0x11 (P, I)');
    expect(said(outcome('read', 'supervisor', { entries }))).toBe('completes');
  });

  it('without EFER.NXE bit 63 is reserved', () => {
    expect(said(outcome('read', 'supervisor', { ...NX_PAGE, registers: NO_NX }))).toBe(
      '#PF error code 0x9 (P, RSVD)',
    );
  });

  it('without NXE and SMEP the error code does not mark fetches; with SMEP it does', () => {
    const entries = { PT: 0n };
    expect(said(outcome('execute', 'supervisor', { entries, registers: NO_NX }))).toBe('#PF error code 0x0');
    expect(
      said(outcome('execute', 'supervisor', { entries, registers: { ...NO_NX, ...cr4(CR4.SMEP) } })),
    ).toBe('#PF error code 0x10 (I)');
  });
});

describe('reserved bits', () => {
  const fault = '#PF error code 0x9 (P, RSVD)';

  it('an address bit at MAXPHYADDR is reserved, the one below is not', () => {
    const at = (bit: bigint) => ({ entries: { PT: PAGE | (1n << bit) | P | RW | US } });
    expect(said(outcome('read', 'supervisor', at(40n)))).toBe(fault);
    expect(said(outcome('read', 'supervisor', at(51n)))).toBe(fault);
    expect(outcome('read', 'supervisor', at(39n))).toMatchObject({
      physicalAddress: PAGE | (1n << 39n) | 0x123n,
    });
    expect(said(outcome('read', 'supervisor', { ...at(40n), registers: { physicalAddressBits: 52 } }))).toBe(
      'completes',
    );
  });

  it('bits 62:52 are ignored', () => {
    const entries = {
      PT: PAGE | P | RW | US | (0x7ffn << 52n),
      PML4: TABLES.PDPT | P | RW | US | (0x7ffn << 52n),
    };
    expect(said(outcome('write', 'user', { entries }))).toBe('completes');
  });

  it('PS is reserved in a PML4 entry and in a PML5 entry', () => {
    const registers = { ...cr4(CR4.LA57), cr3: TABLES.PML5 };
    expect(said(outcome('read', 'supervisor', { entries: { PML4: TABLES.PDPT | P | PS } }))).toBe(fault);
    expect(said(outcome('read', 'supervisor', { registers, entries: { PML5: TABLES.PML4 | P | PS } }))).toBe(
      fault,
    );
    expect(said(outcome('read', 'supervisor', { registers }))).toBe('completes');
  });

  it.each([
    ['PD', 13n, 20n],
    ['PDPT', 13n, 29n],
  ] as const)(
    'the address bits of a large page in a %s entry below its size are reserved, bit 12 is not',
    (structure, first, last) => {
      const leaf = (1n << 30n) | P | RW | US | PS;
      for (const bit of [first, last]) {
        expect(said(outcome('read', 'supervisor', { entries: { [structure]: leaf | (1n << bit) } }))).toBe(
          fault,
        );
      }
      expect(said(outcome('read', 'supervisor', { entries: { [structure]: leaf | (1n << 12n) } }))).toBe(
        'completes',
      );
      expect(
        said(outcome('read', 'supervisor', { entries: { [structure]: leaf | (1n << (last + 1n)) } })),
      ).toBe('completes');
    },
  );

  it('a reserved bit counts before any permission, and a missing P before a reserved bit', () => {
    const reserved = { PDPT: TABLES.PD | P | (1n << 45n) };
    expect(said(outcome('write', 'user', { entries: reserved }))).toBe('#PF error code 0xf (P, W, U, RSVD)');
    expect(said(outcome('write', 'user', { entries: { ...reserved, PML4: 0n } }))).toBe(
      '#PF error code 0x6 (W, U)',
    );
  });
});

describe('protection keys', () => {
  const KEY_5 = { entries: { PT: PAGE | P | RW | US | (5n << 59n) } };
  const AD = 1 << 10;
  const WD = 1 << 11;
  const flags = AccessFlag.ProtectionKeys;
  const registers = cr4(CR4.PKE);

  it('access-disable forbids data accesses of both privileges, not fetches', () => {
    const options = { ...KEY_5, registers, flags, pkru: AD };
    expect(said(outcome('read', 'user', options))).toBe('#PF error code 0x25 (P, U, PK)');
    expect(said(outcome('read', 'supervisor', options))).toBe('#PF error code 0x21 (P, PK)');
    expect(said(outcome('write', 'supervisor', options))).toBe('#PF error code 0x23 (P, W, PK)');
    expect(said(outcome('execute', 'user', options))).toBe('completes');
  });

  it('write-disable forbids user writes, and supervisor writes with CR0.WP', () => {
    const options = { ...KEY_5, flags, pkru: WD };
    expect(said(outcome('write', 'user', { ...options, registers }))).toBe(
      '#PF error code 0x27 (P, W, U, PK)',
    );
    expect(said(outcome('write', 'supervisor', { ...options, registers }))).toBe(
      '#PF error code 0x23 (P, W, PK)',
    );
    expect(said(outcome('read', 'user', { ...options, registers }))).toBe('completes');
    const noWp = { ...registers, ...NO_WP };
    expect(said(outcome('write', 'supervisor', { ...options, registers: noWp }))).toBe('completes');
    expect(said(outcome('write', 'user', { ...options, registers: noWp }))).toBe(
      '#PF error code 0x27 (P, W, U, PK)',
    );
  });

  it('another key, a supervisor page, CR4.PKE = 0 or an access without PKRU is not concerned', () => {
    const pkru = 3 << 10;
    expect(said(outcome('write', 'user', { ...KEY_5, registers, flags, pkru: ~pkru >>> 0 }))).toBe(
      'completes',
    );
    expect(said(outcome('write', 'user', { ...KEY_5, registers, pkru }))).toBe('completes');
    expect(said(outcome('write', 'user', { ...KEY_5, flags, pkru }))).toBe('completes');
    const supervisor = { entries: { PT: PAGE | P | RW | (5n << 59n) } };
    expect(said(outcome('write', 'supervisor', { ...supervisor, registers, flags, pkru }))).toBe('completes');
  });

  it('the error code has PK also where R/W forbids the same write', () => {
    const entries = { PT: PAGE | P | US | (5n << 59n) };
    expect(said(outcome('write', 'user', { entries, registers, flags, pkru: WD }))).toBe(
      '#PF error code 0x27 (P, W, U, PK)',
    );
    expect(said(outcome('write', 'user', { entries, registers, flags, pkru: 0 }))).toBe(
      '#PF error code 0x7 (P, W, U)',
    );
  });
});

describe('canonical addresses', () => {
  it('a non-canonical address raises #GP(0) before any entry is read', () => {
    for (const address of [0x0000_8000_0000_0000n, 0xffff_7fff_ffff_fff0n, 0x1234_0000_0000_0000n]) {
      const translation = outcome('read', 'user', { address, registers: { cr3: 0xff_ffff_f000n } });
      expect(translation).toMatchObject({
        kind: 'faults',
        faultAddress: undefined,
        description: '#GP error code 0x0',
      });
    }
  });

  it('a non-canonical access through the stack segment raises #SS(0), a fetch does not', () => {
    const options = { address: 1n << 60n, flags: AccessFlag.Stack };
    expect(said(outcome('write', 'user', options))).toBe('#SS error code 0x0');
    expect(said(outcome('execute', 'user', options))).toBe('#GP error code 0x0');
    expect(said(outcome('write', 'user', { flags: AccessFlag.Stack }))).toBe('completes');
  });

  it('with LA57 addresses of 57 bits are canonical, and beyond them not', () => {
    const registers = { ...cr4(CR4.LA57), cr3: TABLES.PML5 };
    expect(said(outcome('read', 'user', { registers, address: 0x00ff_ffff_ffff_f000n }))).toBe(
      '#PF error code 0x4 (U)',
    );
    expect(said(outcome('read', 'user', { registers, address: 0x0100_0000_0000_0000n }))).toBe(
      '#GP error code 0x0',
    );
    expect(said(outcome('read', 'user', { address: 0x00ff_ffff_ffff_f000n }))).toBe('#GP error code 0x0');
  });
});

describe('leaves and memory types', () => {
  const leaf = (structure: 'PD' | 'PDPT', bits: bigint) => ({
    entries: { [structure]: (1n << 30n) | P | RW | PS | bits },
  });

  it('the offset in a page is as wide as the page', () => {
    expect(outcome('read', 'supervisor', leaf('PD', 0n))).toMatchObject({
      physicalAddress: (1n << 30n) | (ADDRESS & 0x1f_ffffn),
      pageSize: 0x20_0000n,
      levelName: 'PD',
    });
    expect(outcome('read', 'supervisor', leaf('PDPT', 0n))).toMatchObject({
      physicalAddress: (1n << 30n) | (ADDRESS & 0x3fff_ffffn),
      pageSize: 0x4000_0000n,
      levelName: 'PDPT',
    });
  });

  it('PAT, PCD and PWT of the leaf select the memory type; PAT is bit 7 of a 4 KiB leaf', () => {
    const pat = 0x00_01_04_05_06_07_01_04n;
    const type = (bits: bigint) =>
      outcome('read', 'supervisor', { entries: { PT: PAGE | P | bits }, registers: { pat } });
    expect(type(0n)).toMatchObject({ memoryType: 4, memoryTypeName: 'WT' });
    expect(type(PWT)).toMatchObject({ memoryType: 1, memoryTypeName: 'WC' });
    expect(type(PCD)).toMatchObject({ memoryType: 7, memoryTypeName: 'UC-' });
    expect(type(PCD | PWT)).toMatchObject({ memoryType: 6, memoryTypeName: 'WB' });
    expect(type(1n << 7n)).toMatchObject({ memoryType: 5, memoryTypeName: 'WP' });
    expect(type((1n << 7n) | PCD | PWT)).toMatchObject({ memoryType: 0, memoryTypeName: 'UC' });
  });

  it('PAT is bit 12 of a large leaf, and no address bit there', () => {
    const pat = 0x01_01_01_05_06_06_06_06n;
    for (const structure of ['PD', 'PDPT'] as const) {
      const address = ADDRESS & ~0x1fffn;
      const with12 = outcome('read', 'supervisor', {
        ...leaf(structure, 1n << 12n),
        registers: { pat },
        address,
      });
      const without = outcome('read', 'supervisor', { ...leaf(structure, 0n), registers: { pat }, address });
      expect(with12).toMatchObject({ memoryTypeName: 'WP' });
      expect(without).toMatchObject({ memoryTypeName: 'WB' });
      expect(with12).toHaveProperty(
        'physicalAddress',
        (without as { physicalAddress: bigint }).physicalAddress,
      );
    }
  });

  it('after reset PAT gives WB, WT, UC-, UC', () => {
    const names = [0n, PWT, PCD, PCD | PWT].map((bits) =>
      outcome('read', 'supervisor', { entries: { PT: PAGE | P | bits } }),
    );
    expect(
      names.map((translation) => translation.kind === 'completes' && translation.memoryTypeName),
    ).toEqual(['WB', 'WT', 'UC-', 'UC']);
  });
});

describe('tables outside memory', () => {
  it('a table pointer to nowhere is an outcome that names the missing entry', () => {
    const entries = { PD: 0x77_7000n | P | RW | US };
    const index = (ADDRESS >> 12n) & 511n;
    expect(outcome('read', 'user', { entries })).toEqual({
      kind: 'table-outside-memory',
      entryAddress: 0x77_7000n + index * 8n,
      level: 1,
      levelName: 'PT',
    });
  });

  it('CR3 to nowhere is one too', () => {
    expect(outcome('execute', 'user', { registers: { cr3: 0xdead_b000n } })).toMatchObject({
      kind: 'table-outside-memory',
      levelName: 'PML4',
    });
  });
});

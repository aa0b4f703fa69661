import { describe, expect, it } from 'vitest';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { HPFAR_NONE, HPFAR_OPEN, Known, OutcomeList } from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { EL1 } from './aarch64-page.ts';
import { memoryOf, type Tables, translate } from './aarch64-tables.ts';
import { said } from './said.ts';

/** Bits of stage 2 leaves. */
const READ = 1n << 6n;
const WRITE = 1n << 7n;
const AF = 1n << 10n;
const DBM = 1n << 51n;
const XN = (value: bigint) => value << 53n;
const memAttr = (value: bigint) => value << 2n;
const sh = (value: bigint) => value << 8n;
const WRITE_BACK = memAttr(0xfn) | sh(3n);
const ALL = READ | WRITE | AF | WRITE_BACK;

const ROOT = 0x40_0000n;
const IPA = (3n << 30n) | (5n << 21n) | (7n << 12n);
const PA = 0x123n << 12n;

/** VTCR_EL2: 39-bit addresses from level 1, 48-bit outputs, 4 KiB pages. */
const VTCR = BigInt(64 - 39) | (1n << 6n) | (5n << 16n);
/** Stage 2 alone: SCTLR_EL1.M = 0, HCR_EL2.VM = 1. */
const ALONE: AArch64Registers = { ...EL1, sctlr: 0n, hcrEl2: 1n, vtcr: VTCR, vttbr: ROOT };

interface Options {
  leaf?: bigint;
  level?: number;
  registers?: Partial<AArch64Registers>;
  form?: Partial<Tables>;
  address?: bigint;
}

function outcome(what: 'read' | 'write' | 'execute', who: 'supervisor' | 'user', options: Options = {}) {
  const level = options.level ?? 3;
  const descriptor = options.leaf ?? PA | ALL | 3n;
  const memory = memoryOf({
    pageShift: 12,
    startLevel: 1,
    inputBits: 39,
    root: ROOT,
    descriptors: [[IPA, level, descriptor]],
    ...options.form,
  });
  return translate(memory, { ...ALONE, ...options.registers }, what, who, options.address ?? IPA | 0x10n);
}

describe('stage 2 alone', () => {
  it('translates addresses as they are: they are intermediate ones', () => {
    expect(outcome('read', 'user')).toMatchObject({
      kind: 'completes',
      physicalAddress: PA | 0x10n,
      levelName: 'stage 2 level 3',
      pageSize: 0x1000n,
    });
  });

  it('its faults go to EL2 with HPFAR, from either privilege', () => {
    for (const who of ['supervisor', 'user'] as const) {
      expect(outcome('write', who, { leaf: 0n })).toMatchObject({
        fault: 0x9200_0047,
        faultAddress: IPA | 0x10n,
        stageTwo: { hpfar: (IPA >> 12n) << 4n },
        description: 'stage 2 data abort, lower EL, translation fault level 3, write',
      });
    }
    expect(outcome('execute', 'supervisor', { leaf: 0n })).toMatchObject({ fault: 0x8200_0007 });
  });

  it('an address beyond the physical size is an address size fault of stage 1, for EL1', () => {
    const address = 1n << 48n;
    expect(outcome('read', 'supervisor', { address })).toMatchObject({
      description: 'data abort, same EL, address size fault level 0, read',
    });
    expect(outcome('read', 'supervisor', { address })).not.toHaveProperty('stageTwo');
  });

  it('an address beyond T0SZ is a translation fault of stage 2 at level 0', () => {
    expect(said(outcome('read', 'supervisor', { address: 1n << 39n }))).toBe(
      'stage 2 data abort, lower EL, translation fault level 0, read',
    );
  });

  it('with TBI the top byte is dropped before', () => {
    const registers = { tcr: EL1.tcr | (1n << 37n) };
    const address = IPA | (0xa5n << 56n);
    expect(said(outcome('read', 'supervisor', { registers, address }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { address }))).toContain('address size fault level 0');
  });

  it('data is Device memory, or what stage 2 says with HCR_EL2.DC', () => {
    expect(outcome('read', 'supervisor')).toMatchObject({ memoryType: 0x200 });
    const dc = { hcrEl2: 1n << 12n };
    expect(outcome('read', 'supervisor', { registers: dc })).toMatchObject({ memoryType: 0x3ff });
    const writeThrough = PA | READ | AF | memAttr(0xan) | sh(2n) | 3n;
    expect(outcome('read', 'supervisor', { registers: dc, leaf: writeThrough })).toMatchObject({
      memoryType: 0x2bb,
    });
  });

  it('fetches are non-cacheable, write-through with SCTLR_EL1.I', () => {
    expect(outcome('execute', 'supervisor')).toMatchObject({ memoryType: 0x244 });
    expect(outcome('execute', 'supervisor', { registers: { sctlr: 1n << 12n } })).toMatchObject({
      memoryType: 0x2aa,
    });
  });

  it('with DC stage 1 is off although SCTLR_EL1.M is 1, and VM counts as 1', () => {
    expect(outcome('read', 'user', { registers: { sctlr: 1n, hcrEl2: 1n << 12n } })).toMatchObject({
      physicalAddress: PA | 0x10n,
    });
  });
});

describe('permissions of stage 2', () => {
  const leaf = (bits: bigint) => ({ leaf: PA | AF | 3n | bits });

  it('S2AP[0] lets read, S2AP[1] lets write; HPFAR of a permission fault is open', () => {
    expect(outcome('read', 'user', leaf(WRITE))).toMatchObject({
      description: 'stage 2 data abort, lower EL, permission fault level 3, read',
      stageTwo: { hpfar: undefined },
    });
    expect(said(outcome('write', 'user', leaf(WRITE)))).toBe('completes');
    expect(said(outcome('write', 'user', leaf(READ)))).toContain('permission fault level 3, write');
    expect(said(outcome('read', 'user', leaf(READ)))).toBe('completes');
  });

  it.each([
    [0n, true, true],
    [1n, false, true],
    [2n, false, false],
    [3n, true, false],
  ])('XN = %i: EL1 executes %s, EL0 %s', (xn, supervisor, user) => {
    const may = (who: 'supervisor' | 'user', cpu: string) =>
      said(outcome('execute', who, { ...leaf(READ | XN(xn)), registers: { cpu } })) === 'completes';
    expect([may('supervisor', 'max'), may('user', 'max')]).toEqual([supervisor, user]);
    // Without FEAT_XNX bit 53 is ignored.
    const old = (xn & 2n) === 0n;
    expect([may('supervisor', 'cortex-a72'), may('user', 'cortex-a72')]).toEqual([old, old]);
  });

  it('execution needs no right to read', () => {
    expect(said(outcome('execute', 'user', leaf(0n)))).toBe('completes');
    expect(said(outcome('read', 'user', leaf(0n)))).not.toBe('completes');
  });

  it('a leaf without AF is an access flag fault unless VTCR.HA; DBM with HD is writable', () => {
    const withoutAf = { leaf: PA | READ | WRITE | 3n };
    expect(outcome('read', 'user', withoutAf)).toMatchObject({
      description: 'stage 2 data abort, lower EL, access flag fault level 3, read',
      stageTwo: { hpfar: (IPA >> 12n) << 4n },
    });
    const ha = { vtcr: VTCR | (1n << 21n) };
    expect(said(outcome('read', 'user', { ...withoutAf, registers: ha }))).toBe('completes');
    const hd = { vtcr: VTCR | (3n << 21n) };
    expect(said(outcome('write', 'user', { ...leaf(READ | DBM), registers: hd }))).toBe('completes');
    expect(said(outcome('write', 'user', { ...leaf(READ | DBM), registers: ha }))).not.toBe('completes');
  });
});

describe('the walk of stage 2', () => {
  const form = (startLevel: number, inputBits: number) => ({ startLevel, inputBits });
  const vtcr = (inputBits: number, sl0: bigint, more = 0n) => ({
    vtcr: BigInt(64 - inputBits) | (sl0 << 6n) | (5n << 16n) | more,
  });

  it('starts at the level that SL0 says', () => {
    expect(said(outcome('read', 'user', { form: form(2, 34), registers: vtcr(34, 0n) }))).toBe('completes');
    expect(said(outcome('read', 'user', { form: form(1, 34), registers: vtcr(34, 1n) }))).toBe('completes');
    expect(said(outcome('read', 'user', { form: form(0, 44), registers: vtcr(44, 2n) }))).toBe('completes');
    expect(said(outcome('read', 'user', { form: form(0, 44), registers: vtcr(44, 1n) }))).not.toBe(
      'completes',
    );
  });

  it('concatenates up to 16 tables at the start level, not more', () => {
    const last = 2n ** 43n - 1n;
    const descriptors = [[last, 2, (1n << 30n) | ALL | 1n]] as const;
    const options = { address: last, form: { ...form(1, 43), descriptors } };
    expect(outcome('read', 'user', { ...options, registers: vtcr(43, 1n) })).toMatchObject({
      physicalAddress: (1n << 30n) | 0x1f_ffffn,
    });
    const tooMany = { address: 0n, form: { ...form(1, 43), descriptors } };
    expect(said(outcome('read', 'user', { ...tooMany, registers: vtcr(44, 1n) }))).toBe(
      'stage 2 data abort, lower EL, translation fault level 0, read',
    );
  });

  it('too few bits for the start level, or a reserved one, is a translation fault at level 0', () => {
    const fault = 'stage 2 data abort, lower EL, translation fault level 0, read';
    expect(said(outcome('read', 'user', { address: 0n, registers: vtcr(30, 1n) }))).toBe(fault);
    expect(said(outcome('read', 'user', { address: 0n, registers: vtcr(31, 1n) }))).not.toBe(fault);
    expect(
      said(outcome('read', 'user', { address: 0n, registers: vtcr(20, 3n), form: form(3, 20) })),
    ).not.toBe(fault);
    const old = { ...vtcr(20, 3n), cpu: 'cortex-a72' };
    expect(said(outcome('read', 'user', { address: 0n, registers: old, form: form(3, 20) }))).toBe(fault);
  });

  it('addresses wider than the processor has are a translation fault at level 0', () => {
    const registers = { ...vtcr(44, 2n), physicalAddressBits: 40 };
    expect(said(outcome('read', 'user', { form: form(0, 44), registers }))).toContain('fault level 0');
  });

  it('starts at level −1 with SL2 and DS', () => {
    const registers = { ...vtcr(52, 0n, (1n << 32n) | (1n << 33n)), cpu: 'max' };
    const leaf = PA | READ | AF | memAttr(0xfn) | 3n;
    expect(outcome('read', 'user', { form: form(-1, 52), registers, leaf })).toMatchObject({
      physicalAddress: PA | 0x10n,
    });
    expect(
      outcome('read', 'user', { form: form(-1, 52), registers, leaf, address: 1n << 51n }),
    ).toMatchObject({
      fault: 0x9200_002b,
    });
  });

  it('16 KiB and 64 KiB pages', () => {
    const leaf = (1n << 30n) | ALL | 3n;
    for (const [pageShift, tg0] of [
      [14, 2n],
      [16, 1n],
    ] as const) {
      const registers = vtcr(36, 1n, tg0 << 14n);
      const options = { leaf, form: { pageShift, startLevel: 2, inputBits: 36 }, registers };
      const offset = (IPA | 0x10n) & ((1n << BigInt(pageShift)) - 1n);
      expect(outcome('read', 'user', options)).toMatchObject({ physicalAddress: (1n << 30n) | offset });
    }
  });

  it('an output beyond PS is an address size fault at its level, a root beyond it at level 0', () => {
    const registers = { vtcr: VTCR & ~(7n << 16n) };
    expect(outcome('read', 'user', { leaf: (1n << 32n) | ALL | 3n, registers })).toMatchObject({
      description: 'stage 2 data abort, lower EL, address size fault level 3, read',
      stageTwo: { hpfar: (IPA >> 12n) << 4n },
    });
    expect(said(outcome('read', 'user', { registers: { ...registers, vttbr: 1n << 32n } }))).toContain(
      'address size fault level 0',
    );
  });

  it('a table where no memory is, is named', () => {
    expect(outcome('read', 'user', { level: 2, leaf: 0x77_7700_0003n })).toMatchObject({
      kind: 'table-outside-memory',
      entryAddress: 0x77_7700_0038n,
      levelName: 'stage 2 level 3',
    });
  });
});

describe('the hpfar column', () => {
  it('tells translation faults, permission faults and the rest apart, and starts anew each time', () => {
    const memory = memoryOf({
      pageShift: 12,
      startLevel: 1,
      inputBits: 39,
      root: ROOT,
      descriptors: [[IPA, 3, PA | AF | READ | 3n]],
    });
    const accesses = new AccessList(3);
    accesses.set(0, Number(IPA & 0xffff_ffffn), 0, Access.Read, Privilege.User);
    accesses.set(1, Number(IPA & 0xffff_ffffn), 0, Access.Write, Privilege.User);
    accesses.set(2, 0x5000, 0, Access.Read, Privilege.User);
    const outcomes = new OutcomeList(3);
    const walker = createWalker(memory, ALONE);
    walker.predict(accesses, outcomes);
    expect([...(outcomes.hpfar ?? [])]).toEqual([HPFAR_NONE, HPFAR_OPEN, 0x50n]);
    accesses.set(2, Number(IPA & 0xffff_ffffn), 0, Access.Read, Privilege.User);
    walker.predict(accesses, outcomes);
    expect([...(outcomes.hpfar ?? [])]).toEqual([HPFAR_NONE, HPFAR_OPEN, HPFAR_NONE]);
  });

  it('reserved MemAttr leaves the memory type open', () => {
    const memory = memoryOf({
      pageShift: 12,
      startLevel: 1,
      inputBits: 39,
      root: ROOT,
      descriptors: [[IPA, 3, PA | AF | READ | memAttr(0b1000n) | 3n]],
    });
    const accesses = new AccessList(1);
    accesses.set(0, Number(IPA & 0xffff_ffffn), 0, Access.Read, Privilege.User);
    const outcomes = new OutcomeList(1);
    createWalker(memory, ALONE).predict(accesses, outcomes);
    expect((outcomes.known[0] as number) & (Known.MemoryType | Known.PhysicalAddress)).toBe(
      Known.PhysicalAddress,
    );
  });
});

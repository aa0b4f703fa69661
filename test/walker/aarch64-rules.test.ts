import { describe, expect, it } from 'vitest';
import { aarch64MemoryTypeName } from '../../src/aarch64/walk-memory-type.ts';
import { AccessList, Privilege } from '../../src/access-list.ts';
import { Known, OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';
import {
  ADDRESS,
  AF,
  attribute,
  DBM,
  descriptorAddress,
  outcome,
  PAGE,
  PAGE_TYPE,
  page,
  READ_ONLY,
  shareability,
  TABLE,
  TABLES,
  TCR_EL1,
  tcr,
  UPPER_ADDRESS,
  VALID,
} from './aarch64-page.ts';
import { said } from './said.ts';

const withSize = (t0sz: bigint) => ({ tcr: (TCR_EL1 & ~63n) | t0sz });

describe('descriptors', () => {
  it.each([0, 1, 2, 3] as const)(
    'an invalid descriptor at level %i is a translation fault of that level',
    (level) => {
      const descriptors = { [level]: 0xffff_ffff_ffff_fffen };
      expect(outcome('read', 'user', { descriptors })).toMatchObject({
        description: `data abort, lower EL, translation fault level ${level}, read`,
        faultAddress: ADDRESS,
        fault: 0x9200_0004 + level,
      });
      expect(said(outcome('execute', 'supervisor', { descriptors }))).toBe(
        `instruction abort, same EL, translation fault level ${level}`,
      );
    },
  );

  it.each([0, 3] as const)('type 01 at level %i is a translation fault', (level) => {
    const descriptors = { [level]: (1n << 39n) | VALID | AF };
    expect(said(outcome('read', 'user', { descriptors }))).toBe(
      `data abort, lower EL, translation fault level ${level}, read`,
    );
  });

  it.each([
    [1, 0x3fff_ffffn],
    [2, 0x1f_ffffn],
  ] as const)('a block at level %i maps all bytes below its size', (level, offsetMask) => {
    const descriptors = { [level]: (1n << 34n) | VALID | AF };
    expect(outcome('read', 'supervisor', { descriptors })).toMatchObject({
      kind: 'completes',
      physicalAddress: (1n << 34n) | (ADDRESS & offsetMask),
      level,
      pageSize: offsetMask + 1n,
    });
  });

  it('address bits of a block below its size are ignored', () => {
    const descriptors = { 2: (1n << 34n) | 0x1f_f000n | VALID | AF };
    expect(outcome('read', 'supervisor', { descriptors })).toMatchObject({
      physicalAddress: (1n << 34n) | (ADDRESS & 0x1f_ffffn),
    });
  });

  it('a leaf without the access flag is an access flag fault of its level, unless hardware sets it', () => {
    const descriptors = { 3: PAGE | PAGE_TYPE };
    expect(said(outcome('write', 'supervisor', { descriptors }))).toBe(
      'data abort, same EL, access flag fault level 3, write',
    );
    expect(said(outcome('write', 'supervisor', { descriptors, registers: tcr(39) }))).toBe('completes');
    const old = { ...tcr(39), cpu: 'cortex-a72' };
    expect(said(outcome('write', 'supervisor', { descriptors, registers: old }))).not.toBe('completes');
  });

  it('the access flag counts before permissions', () => {
    const descriptors = { 3: PAGE | PAGE_TYPE | READ_ONLY };
    expect(said(outcome('write', 'user', { descriptors }))).toBe(
      'data abort, lower EL, access flag fault level 3, write',
    );
  });

  it('DBM makes a read-only page writable with HA and HD only', () => {
    const leaf = READ_ONLY | DBM;
    expect(said(outcome('write', 'supervisor', { leaf, registers: tcr(39, 40) }))).toBe('completes');
    expect(said(outcome('write', 'supervisor', { leaf, registers: tcr(40) }))).not.toBe('completes');
    expect(said(outcome('write', 'supervisor', { leaf }))).not.toBe('completes');
  });
});

describe('address size', () => {
  const ips = (value: bigint) => ({ tcr: (TCR_EL1 & ~(7n << 32n)) | (value << 32n) });
  const far = (bit: bigint) => ({ descriptors: { 3: PAGE | PAGE_TYPE | AF | (1n << bit) } });

  it('a page beyond IPS is an address size fault at its level, one below is not', () => {
    expect(said(outcome('read', 'supervisor', { ...far(40n), registers: ips(2n) }))).toBe(
      'data abort, same EL, address size fault level 3, read',
    );
    expect(said(outcome('read', 'supervisor', { ...far(39n), registers: ips(2n) }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { ...far(40n), registers: ips(3n) }))).toBe('completes');
  });

  it('a table beyond IPS is an address size fault at the level of its descriptor', () => {
    const descriptors = { 1: TABLES[2] | TABLE | (1n << 40n) };
    expect(said(outcome('read', 'supervisor', { descriptors, registers: ips(2n) }))).toBe(
      'data abort, same EL, address size fault level 1, read',
    );
  });

  it('a root table beyond IPS is an address size fault at level 0', () => {
    const registers = { ...ips(2n), ttbr0: TABLES[0] | (1n << 40n) };
    expect(said(outcome('execute', 'user', { registers }))).toBe(
      'instruction abort, lower EL, address size fault level 0',
    );
    expect(said(outcome('execute', 'user', { registers, address: UPPER_ADDRESS }))).toBe('completes');
  });

  it('the processor may have less than IPS says', () => {
    expect(
      said(outcome('read', 'supervisor', { ...far(44n), registers: { physicalAddressBits: 44 } })),
    ).toContain('address size fault level 3');
    expect(said(outcome('read', 'supervisor', { ...far(44n), registers: { cpu: 'cortex-a72' } }))).toContain(
      'address size fault level 3',
    );
    expect(said(outcome('read', 'supervisor', far(44n)))).toBe('completes');
  });

  it('bits 51:48 of a descriptor are no address bits', () => {
    expect(outcome('read', 'supervisor', far(48n))).toMatchObject({ physicalAddress: PAGE | 0x120n });
  });
});

describe('halves and sizes', () => {
  const translationFault = 'data abort, same EL, translation fault level 0, read';

  it('bit 55 selects TTBR0 or TTBR1', () => {
    const registers = { ttbr1: 0xffff_f000n };
    expect(said(outcome('read', 'supervisor', { registers }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { registers, address: UPPER_ADDRESS }))).toBe(
      'no memory at 0xfffff000',
    );
    expect(said(outcome('read', 'supervisor', { address: UPPER_ADDRESS }))).toBe('completes');
  });

  it('EPD0 and EPD1 switch their half off and leave the other', () => {
    expect(said(outcome('read', 'supervisor', { registers: tcr(7) }))).toBe(translationFault);
    expect(said(outcome('read', 'supervisor', { registers: tcr(7), address: UPPER_ADDRESS }))).toBe(
      'completes',
    );
    expect(said(outcome('read', 'supervisor', { registers: tcr(23), address: UPPER_ADDRESS }))).toBe(
      translationFault,
    );
    expect(said(outcome('read', 'supervisor', { registers: tcr(23) }))).toBe('completes');
  });

  it('E0PD0 keeps EL0 out of the half, not EL1, and not on a processor without it', () => {
    expect(said(outcome('read', 'user', { registers: tcr(55) }))).toBe(
      'data abort, lower EL, translation fault level 0, read',
    );
    expect(said(outcome('read', 'supervisor', { registers: tcr(55) }))).toBe('completes');
    expect(said(outcome('read', 'user', { registers: { ...tcr(55), cpu: 'cortex-a72' } }))).toBe('completes');
  });

  it('an address wider than the half is a translation fault at level 0', () => {
    const address = ADDRESS | (1n << 48n);
    expect(said(outcome('read', 'supervisor', { address }))).toBe(translationFault);
    expect(said(outcome('read', 'supervisor', { address: UPPER_ADDRESS & ~(1n << 48n) }))).toBe(
      translationFault,
    );
  });

  it('T0SZ moves the start of the walk: 25 starts at level 1, 24 at level 0', () => {
    const at1 = { ...withSize(25n), ttbr0: TABLES[1] };
    expect(said(outcome('read', 'supervisor', { registers: at1 }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { registers: { ...at1, ...withSize(24n) } }))).not.toBe(
      'completes',
    );
    expect(said(outcome('read', 'supervisor', { registers: at1, address: ADDRESS | (1n << 39n) }))).toBe(
      translationFault,
    );
  });

  it('a root table of few entries lies where TTBR says, within a page', () => {
    // T0SZ 33: a 31-bit address has 2 descriptors at level 1; ours has index 7, so move the root 6 entries up.
    const address = ADDRESS & ~(6n << 30n);
    const registers = { ...withSize(33n), ttbr0: TABLES[1] + 6n * 8n };
    expect(
      outcome('read', 'supervisor', { registers: { ...withSize(33n), ttbr0: TABLES[1] }, address }),
    ).toMatchObject({ description: 'data abort, same EL, translation fault level 1, read' });
    expect(outcome('read', 'supervisor', { registers, address: address & ((1n << 31n) - 1n) })).toMatchObject(
      {
        kind: 'completes',
      },
    );
  });

  it('T0SZ out of range is a translation fault at level 0; 39 < T0SZ needs small tables', () => {
    for (const size of [0n, 15n, 49n, 63n]) {
      expect(said(outcome('read', 'supervisor', { registers: withSize(size), address: 0x120n }))).toBe(
        translationFault,
      );
    }
    const small = { ...withSize(43n), ttbr0: TABLES[3] };
    const address = (11n << 12n) | 0x120n;
    expect(said(outcome('read', 'supervisor', { registers: small, address }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { registers: { ...small, cpu: 'cortex-a72' }, address }))).toBe(
      translationFault,
    );
  });

  it('with TBI0 the top byte is ignored and stands in FAR', () => {
    const address = ADDRESS | (0xa5n << 56n);
    expect(said(outcome('read', 'supervisor', { registers: tcr(37), address }))).toBe('completes');
    expect(said(outcome('read', 'supervisor', { address }))).toBe(translationFault);
    expect(
      outcome('read', 'supervisor', { registers: tcr(37), address, descriptors: { 3: 0n } }),
    ).toMatchObject({
      faultAddress: address,
    });
  });

  it('a fetch has lost its tag where TBI applies, and keeps it with TBID', () => {
    const options = { address: ADDRESS | (0xa5n << 56n), descriptors: { 3: 0n } };
    expect(outcome('execute', 'supervisor', { ...options, registers: tcr(37) })).toMatchObject({
      faultAddress: ADDRESS,
      description: 'instruction abort, same EL, translation fault level 3',
    });
    expect(outcome('execute', 'supervisor', { ...options, registers: tcr(37, 51) })).toMatchObject({
      faultAddress: options.address,
      description: 'instruction abort, same EL, translation fault level 0',
    });
    const upper = { ...options, address: UPPER_ADDRESS & ~(0x5an << 56n), registers: tcr(38) };
    expect(outcome('execute', 'supervisor', upper)).toMatchObject({ faultAddress: UPPER_ADDRESS });
  });
});

describe('memory types', () => {
  const type = (leaf: bigint) => outcome('read', 'supervisor', { leaf });

  it('AttrIndx selects a byte of MAIR, SH the shareability of cacheable memory', () => {
    expect(type(attribute(3n) | shareability(3n))).toMatchObject({ memoryType: 0x3ff });
    expect(type(attribute(3n) | shareability(2n))).toMatchObject({ memoryType: 0x2ff });
    expect(type(attribute(3n))).toMatchObject({ memoryType: 0x0ff });
  });

  it.each([0n, 2n, 3n])('device and non-cacheable memory is outer shareable with SH = %i', (sh) => {
    expect(type(attribute(0n) | shareability(sh))).toMatchObject({ memoryType: 0x200 });
    expect(type(attribute(1n) | shareability(sh))).toMatchObject({ memoryType: 0x204 });
    expect(type(attribute(2n) | shareability(sh))).toMatchObject({ memoryType: 0x244 });
  });

  it('the reserved shareability of cacheable memory is not known', () => {
    const known = (leaf: bigint) => {
      const { memory, registers } = page({ leaf });
      const accesses = new AccessList(1);
      accesses.set(0, Number(ADDRESS & 0xffff_ffffn), Number(ADDRESS >> 32n), 0, Privilege.Supervisor);
      const outcomes = new OutcomeList(1);
      createWalker(memory, registers).predict(accesses, outcomes);
      return ((outcomes.known[0] as number) & Known.Shareability) !== 0;
    };
    expect(known(attribute(3n) | shareability(1n))).toBe(false);
    expect(known(attribute(3n) | shareability(3n))).toBe(true);
    expect(known(attribute(0n) | shareability(1n))).toBe(true);
  });

  it.each([
    [0x200, 'device nGnRnE, outer shareable'],
    [0x204, 'device nGnRE, outer shareable'],
    [0x244, 'normal non-cacheable, outer shareable'],
    [0x3ff, 'normal write-back, inner shareable'],
    [0x0bb, 'normal write-through, non-shareable'],
    [0x34f, 'normal outer non-cacheable inner write-back, inner shareable'],
    [0x201, 'reserved attribute 0x01, outer shareable'],
  ])('%i is called %s', (memoryType, name) => {
    expect(aarch64MemoryTypeName(memoryType)).toBe(name);
  });
});

describe('tables outside memory', () => {
  it('a table pointer to nowhere is an outcome that names the missing descriptor', () => {
    const descriptors = { 2: 0x77_7000n | TABLE };
    expect(outcome('write', 'user', { descriptors })).toEqual({
      kind: 'table-outside-memory',
      entryAddress: 0x77_7000n + (descriptorAddress(3) - TABLES[3]),
      level: 3,
      levelName: 'level 3',
    });
  });
});

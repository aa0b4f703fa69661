import { describe, expect, it } from 'vitest';
import { createWalker } from '../../src/walker.ts';
import { AF, attribute, EL1, EL2, shareability, USER } from './aarch64-page.ts';
import { memoryOf, type Tables, translate } from './aarch64-tables.ts';
import { said } from './said.ts';

/** Without SH, whose bits are the address's with DS = 1. */
const NORMAL = AF | USER | attribute(3n);
const PAGE = NORMAL | 3n;
const BLOCK = NORMAL | 1n;
const T0SZ = (bits: number) => BigInt(64 - bits);
const TG0 = { 12: 0n, 14: 2n << 14n, 16: 1n << 14n } as const;
const DS = 1n << 32n;

/** EL2 with tables at 0x10000 whose only entry is as given. */
function el2(
  pageShift: 12 | 14 | 16,
  startLevel: number,
  inputBits: number,
  descriptor: Tables['descriptors'][number],
  more: { ps?: bigint; tcr?: bigint; cpu?: string; ttbr0?: bigint; exceptionLevel?: 2 | 3 } = {},
) {
  const root = 0x1_0000n;
  const memory = memoryOf({ pageShift, startLevel, inputBits, root, descriptors: [descriptor] });
  const { ps = 5n, tcr: moreTcr = 0n, ...others } = more;
  const tcr = T0SZ(inputBits) | TG0[pageShift] | (ps << 16n) | moreTcr;
  const registers = { ...EL2, cpu: 'max', ttbr0: root, ...others, tcr };
  return (address: bigint) => ({
    outcome: translate(memory, registers, 'read', 'supervisor', address),
    walker: createWalker(memory, registers),
  });
}

describe('16 KiB pages', () => {
  const VA = (3n << 36n) | (5n << 25n) | (7n << 14n) | 0x3abcn;

  it('a page at level 3 has 14 offset bits, tables have 2048 entries', () => {
    const at = el2(14, 1, 47, [VA, 3, (9n << 14n) | PAGE]);
    expect(at(VA).outcome).toMatchObject({
      physicalAddress: (9n << 14n) | 0x3abcn,
      level: 3,
      pageSize: 0x4000n,
    });
    expect(said(at(VA + (1n << 14n)).outcome)).toContain('translation fault level 3');
  });

  it('48-bit addresses start at level 0, 47-bit addresses at level 1', () => {
    const zero = el2(14, 0, 48, [VA | (1n << 47n), 3, (9n << 14n) | PAGE]);
    expect(said(zero(VA | (1n << 47n)).outcome)).toBe('completes');
    expect(said(zero(VA).outcome)).toContain('translation fault level 0');
    expect(
      zero(VA | (1n << 47n))
        .walker.explain(VA | (1n << 47n))
        .map(({ level }) => level),
    ).toEqual([0, 1, 2, 3]);
  });

  it('level 2 has blocks of 32 MiB, level 1 has blocks with DS = 1 only', () => {
    expect(el2(14, 1, 47, [VA, 2, (9n << 25n) | BLOCK])(VA).outcome).toMatchObject({
      physicalAddress: (9n << 25n) | (VA & 0x1ff_ffffn),
      pageSize: 1n << 25n,
    });
    expect(said(el2(14, 1, 47, [VA, 1, (9n << 36n) | BLOCK])(VA).outcome)).toContain(
      'translation fault level 1',
    );
    expect(el2(14, 1, 47, [VA, 1, (9n << 36n) | BLOCK], { tcr: DS })(VA).outcome).toMatchObject({
      physicalAddress: (9n << 36n) | (VA & ((1n << 36n) - 1n)),
    });
  });

  it('leaves count in 4 KiB pages', () => {
    const { walker } = el2(14, 1, 47, [VA, 3, (9n << 14n) | PAGE])(VA);
    const leaves = walker.leaves();
    expect([leaves.length, leaves.pageNumber[0], leaves.pageCount[0], leaves.frame[0]]).toEqual([
      1,
      Number((VA >> 14n) << 2n),
      4,
      9 * 4,
    ]);
  });
});

describe('64 KiB pages', () => {
  const VA = (1n << 42n) | (5n << 29n) | (8191n << 16n) | 0xfedcn;

  it('a page at level 3 has 16 offset bits, tables have 8192 entries', () => {
    const at = el2(16, 1, 48, [VA, 3, (9n << 16n) | PAGE]);
    expect(at(VA).outcome).toMatchObject({ physicalAddress: (9n << 16n) | 0xfedcn, pageSize: 0x1_0000n });
    expect(said(at(VA - (1n << 16n)).outcome)).toContain('translation fault level 3');
    expect(
      at(VA)
        .walker.explain(VA)
        .map(({ level, index }) => [level, index]),
    ).toEqual([
      [1, 1],
      [2, 5],
      [3, 8191],
    ]);
  });

  it('blocks of level 1 need 52 physical bits, those of level 2 do not', () => {
    expect(said(el2(16, 1, 48, [VA, 1, (1n << 42n) | BLOCK])(VA).outcome)).toBe('completes');
    const n1 = { cpu: 'neoverse-n1' };
    expect(said(el2(16, 1, 48, [VA, 1, (1n << 42n) | BLOCK], n1)(VA).outcome)).toContain(
      'translation fault level 1',
    );
    expect(el2(16, 1, 48, [VA, 2, (9n << 29n) | BLOCK], n1)(VA).outcome).toMatchObject({
      pageSize: 1n << 29n,
    });
  });

  it('FEAT_LPA keeps address bits 51:48 in bits 15:12, which count for the output size', () => {
    const descriptor = [VA, 3, (0xan << 12n) | (9n << 16n) | PAGE] as const;
    expect(el2(16, 1, 48, descriptor, { ps: 6n })(VA).outcome).toMatchObject({
      physicalAddress: (0xan << 48n) | (9n << 16n) | 0xfedcn,
    });
    expect(said(el2(16, 1, 48, descriptor)(VA).outcome)).toContain('address size fault level 3');
    expect(el2(16, 1, 48, descriptor, { cpu: 'neoverse-n1' })(VA).outcome).toMatchObject({
      physicalAddress: (9n << 16n) | 0xfedcn,
    });
  });

  it('FEAT_LVA has 52-bit input addresses', () => {
    const far = VA | (1n << 51n);
    expect(said(el2(16, 1, 52, [far, 3, (9n << 16n) | PAGE])(far).outcome)).toBe('completes');
    expect(said(el2(16, 1, 52, [far, 3, (9n << 16n) | PAGE], { cpu: 'neoverse-n1' })(far).outcome)).toContain(
      'translation fault level 0',
    );
  });

  it('with 52-bit outputs TTBR bits 5:2 are address bits 51:48', () => {
    const descriptor = [VA, 3, (9n << 16n) | PAGE] as const;
    const ttbr0 = 0x1_0000n | (1n << 2n);
    expect(said(el2(16, 1, 48, descriptor, { ttbr0, ps: 6n })(VA).outcome)).toBe(
      'no memory at 0x1000000010008',
    );
    expect(said(el2(16, 1, 48, descriptor, { ttbr0 })(VA).outcome)).toBe('completes');
  });
});

describe('DS = 1 with 4 KiB pages (FEAT_LPA2)', () => {
  const VA = (5n << 48n) | (7n << 30n) | (9n << 12n);
  const descriptor = [VA, 3, (0x33n << 12n) | PAGE] as const;

  it('52-bit addresses start at level −1', () => {
    const at = el2(12, -1, 52, descriptor, { tcr: DS });
    expect(
      at(VA)
        .walker.explain(VA)
        .map(({ level }) => level),
    ).toEqual([-1, 0, 1, 2, 3]);
    expect(said(at(VA).outcome)).toBe('completes');
    expect(at(VA ^ (1n << 48n)).outcome).toMatchObject({
      description: 'data abort, same EL, translation fault level -1, read',
      fault: 0x9600_002b,
    });
  });

  it('without DS 52-bit addresses are a translation fault at level 0', () => {
    expect(said(el2(12, -1, 52, descriptor)(VA).outcome)).toContain('translation fault level 0');
    expect(said(el2(12, -1, 52, descriptor, { tcr: DS, cpu: 'neoverse-n1' })(VA).outcome)).toContain(
      'translation fault level 0',
    );
  });

  it('address bits 51:50 stand in bits 9:8, 49:48 at their place, and count for the output size', () => {
    const far = [VA, 3, (0x33n << 12n) | (1n << 49n) | (2n << 8n) | AF | USER | 3n] as const;
    expect(el2(12, -1, 52, far, { tcr: DS, ps: 6n })(VA).outcome).toMatchObject({
      physicalAddress: (1n << 51n) | (1n << 49n) | (0x33n << 12n),
    });
    expect(said(el2(12, -1, 52, far, { tcr: DS })(VA).outcome)).toContain('address size fault level 3');
    const root = [VA, -1, (1n << 49n) | 3n] as const;
    expect(el2(12, -1, 52, root, { tcr: DS })(VA).outcome).toMatchObject({
      description: 'data abort, same EL, address size fault level -1, read',
      fault: 0x9600_0029,
    });
  });

  it('the shareability comes from TCR', () => {
    const plain = [VA, 3, (0x33n << 12n) | AF | USER | attribute(3n) | 3n] as const;
    const type = (sh: bigint) => el2(12, -1, 52, plain, { tcr: DS | (sh << 12n) })(VA).outcome;
    expect(type(3n)).toMatchObject({ memoryType: 0x3ff });
    expect(type(0n)).toMatchObject({ memoryType: 0x0ff });
  });

  it('level 0 has blocks of 512 GiB', () => {
    const block = [VA, 0, (1n << 39n) | AF | USER | 1n] as const;
    expect(el2(12, -1, 52, block, { tcr: DS })(VA).outcome).toMatchObject({ level: 0, pageSize: 1n << 39n });
  });

  it('EL1&0 has DS in bit 59, and each half its own granule', () => {
    const memory = memoryOf(
      { pageShift: 12, startLevel: -1, inputBits: 52, root: 0x1_0000n, descriptors: [descriptor] },
      {
        pageShift: 16,
        startLevel: 2,
        inputBits: 42,
        root: 0x4_0000n,
        descriptors: [[1n << 29n, 3, (9n << 16n) | PAGE | shareability(3n)]],
      },
    );
    const tcr = T0SZ(52) | (T0SZ(42) << 16n) | (3n << 30n) | (6n << 32n) | (1n << 59n) | (3n << 12n);
    const registers = { ...EL1, cpu: 'max', tcr, ttbr0: 0x1_0000n, ttbr1: 0x4_0000n };
    expect(said(translate(memory, registers, 'read', 'user', VA))).toBe('completes');
    const upper = 2n ** 64n - 2n ** 42n + (1n << 29n) + 0x1234n;
    expect(translate(memory, registers, 'read', 'user', upper)).toMatchObject({
      physicalAddress: (9n << 16n) | 0x1234n,
      memoryTypeName: 'normal write-back, inner shareable',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers, Registers, X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { EL1, EL2, TCR_EL1 } from './aarch64-page.ts';
import { REGISTERS as X64 } from './x64-page.ts';

const create = (registers: Registers) => createWalker(new PhysicalMemory(), registers);

describe('x64 registers that a walk cannot start from are refused by name and value', () => {
  const cases: [Partial<X64Registers>, RegExp][] = [
    [{ cr0: 0x1n }, /^CR0 is 0x1: paging is off/],
    [{ cr0: 0x8000_0000n }, /^CR0 is 0x80000000: paging is off/],
    [{ cr4: 0n }, /^CR4 is 0x0: PAE is 0/],
    [{ efer: 0x800n }, /^IA32_EFER is 0x800: LME is 0/],
    [{ cr4: 0x20n | (1n << 24n) }, /^CR4 is 0x1000020: PKS is 1/],
    [{ cr4: 0x20n | (1n << 28n) }, /^CR4 is 0x10000020: LAM_SUP is 1/],
    [{ cr3: 1n << 40n }, /^CR3 is 0x10000000000: a bit above MAXPHYADDR \(40\)/],
    [{ cr3: 1n << 63n }, /^CR3 is 0x8000000000000000: /],
    [{ physicalAddressBits: 31 }, /^physicalAddressBits is 31; MAXPHYADDR is 32 to 52/],
    [{ physicalAddressBits: 53 }, /^physicalAddressBits is 53; /],
    [{ pat: 0x0007_0406_0007_0206n }, /^IA32_PAT is 0x7040600070206: PA1 is 2, which is no memory type/],
    [{ pat: 0x0007_0406_0003_0406n }, /^IA32_PAT is 0x7040600030406: PA2 is 3, which is no memory type/],
    [{ pat: 0x0e07_0406_0007_0406n }, /^IA32_PAT is 0xe07040600070406: PA7 is 14, which is no memory type/],
  ];
  it.each(cases)('%o', (change, message) => {
    expect(() => create({ ...X64, ...change })).toThrow(RangeError);
    expect(() => create({ ...X64, ...change })).toThrow(message);
  });

  it('CR3 may hold flags, a PCID, and bit 63 with CR4.PCIDE', () => {
    const cr3 = (1n << 63n) | 0x2fffn;
    expect(() => create({ ...X64, cr3, cr4: 0x20n | (1n << 17n) })).not.toThrow();
    expect(() => create({ ...X64, cr3: 0x2fffn })).not.toThrow();
  });
});

const VTCR = 25n | (1n << 6n) | (5n << 16n);
const NESTED: AArch64Registers = { ...EL1, hcrEl2: 1n, vtcr: VTCR, vttbr: 0n };

describe('AArch64 registers that a walk cannot start from are refused by name and value', () => {
  const cases: [AArch64Registers, RegExp][] = [
    [{ ...EL1, sctlr: 0n }, /^SCTLR is 0x0: M is 0/],
    [{ ...EL1, sctlr: 1n | (1n << 25n) }, /^SCTLR is 0x2000001: EE is 1/],
    [{ ...EL1, hcrEl2: 1n }, /^HCR_EL2 is 0x1: VM or DC is 1, and VTCR_EL2 is not given/],
    [{ ...EL1, hcrEl2: 1n << 12n, vtcr: VTCR }, /^HCR_EL2 is 0x1000: .*VTTBR_EL2 is not given/],
    [{ ...EL1, hcrEl2: 1n << 27n }, /^HCR_EL2 is 0x8000000: TGE is 1/],
    [{ ...NESTED, hcrEl2: 1n | (1n << 27n) }, /^HCR_EL2 is 0x8000001: TGE is 1/],
    [{ ...EL1, hcrEl2: 1n << 43n }, /^HCR_EL2 is 0x80000000000: NV1 is 1/],
    [{ ...NESTED, hcrEl2: 1n | (1n << 46n) }, /^HCR_EL2 is 0x400000000001: FWB is 1/],
    [{ ...NESTED, hcrEl2: 1n | (1n << 32n) }, /^HCR_EL2 is 0x100000001: CD is 1/],
    [{ ...NESTED, hcrEl2: 1n | (1n << 33n) }, /^HCR_EL2 is 0x200000001: ID is 1/],
    [{ ...NESTED, hcrEl2: (1n << 12n) | (1n << 57n) }, /^HCR_EL2 is 0x\w+: DCT is 1/],
    [{ ...NESTED, scrEl3: 0n }, /^SCR_EL3 is 0x0: NS is 0/],
    [{ ...NESTED, sctlr: 1n << 25n }, /^SCTLR is 0x2000000: EE is 1/],
    [
      { ...NESTED, vtcr: VTCR | (3n << 14n) },
      /^VTCR_EL2 is 0x\w+: the granule of the range of T0SZ is reserved/,
    ],
    [{ ...NESTED, vtcr: VTCR | (2n << 14n), cpu: 'cortex-a72' }, /^VTCR_EL2 is 0x\w+: .* no 16 KiB granule/],
    [{ ...EL2, exceptionLevel: 3, scrEl3: 0x201n }, /^SCR_EL3 is 0x201: SIF is 1/],
    [{ ...EL1, scrEl3: 0x200n }, /^SCR_EL3 is 0x200: SIF is 1/],
    [{ ...EL1, tcr: TCR_EL1 | (3n << 14n) }, /^TCR is 0x\w+: the granule of the range of T0SZ is reserved/],
    [{ ...EL1, tcr: TCR_EL1 & ~(3n << 30n) }, /^TCR is 0x\w+: the granule of the range of T1SZ is reserved/],
    [{ ...EL1, tcr: TCR_EL1 | (2n << 14n), cpu: 'cortex-a53' }, /^TCR is 0x\w+: .* no 16 KiB granule/],
    [{ ...EL1, physicalAddressBits: 31 }, /^physicalAddressBits is 31/],
  ];
  it.each(cases)('%#', (registers, message) => {
    expect(() => create(registers)).toThrow(RangeError);
    expect(() => create(registers)).toThrow(message);
  });

  it('the granule of a half that is switched off does not matter', () => {
    expect(() => create({ ...EL1, tcr: (TCR_EL1 & ~(3n << 30n)) | (1n << 23n) })).not.toThrow();
  });

  it('EL1 works under a hypervisor that uses E2H for itself', () => {
    expect(() => create({ ...EL1, hcrEl2: 1n << 34n })).not.toThrow();
  });

  it('what does not count is not refused: SIF in Non-secure state, FWB without FEAT_S2FWB, stage 2 bits at EL2', () => {
    expect(() => create({ ...EL1, scrEl3: 0x201n })).not.toThrow();
    expect(() => create({ ...NESTED, hcrEl2: 1n | (1n << 46n), cpu: 'neoverse-n1' })).not.toThrow();
    expect(() => create({ ...EL2, hcrEl2: 1n | (1n << 12n) })).not.toThrow();
    expect(() => create(NESTED)).not.toThrow();
    expect(() => create({ ...NESTED, sctlr: 0n })).not.toThrow();
  });

  it('a processor without LPA2 ignores DS', () => {
    expect(() => create({ ...EL1, tcr: TCR_EL1 | (1n << 59n), cpu: 'cortex-a72' })).not.toThrow();
  });
});

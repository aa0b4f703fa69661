import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers, Registers, X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { EL1, EL2, TCR_EL1, TCR_EL2 } from './aarch64-page.ts';
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

describe('AArch64 registers that a walk cannot start from are refused by name and value', () => {
  const cases: [AArch64Registers, RegExp][] = [
    [{ ...EL1, sctlr: 0n }, /^SCTLR is 0x0: M is 0/],
    [{ ...EL1, sctlr: 1n | (1n << 25n) }, /^SCTLR is 0x2000001: EE is 1/],
    [{ ...EL1, hcrEl2: 1n }, /^HCR_EL2 is 0x1: VM is 1/],
    [{ ...EL1, hcrEl2: 1n << 12n }, /^HCR_EL2 is 0x1000: DC is 1/],
    [{ ...EL1, hcrEl2: 1n << 27n }, /^HCR_EL2 is 0x8000000: TGE is 1/],
    [{ ...EL2, hcrEl2: 1n << 34n }, /^HCR_EL2 is 0x400000000: E2H is 1/],
    [{ ...EL1, exceptionLevel: 3 }, /^exceptionLevel is 3/],
    [{ ...EL1, tcr: TCR_EL1 | (1n << 59n) }, /^TCR is 0x\w+: DS is 1/],
    [{ ...EL2, tcr: TCR_EL2 | (1n << 32n) }, /^TCR is 0x\w+: DS is 1/],
    [{ ...EL1, tcr: TCR_EL1 | (1n << 14n) }, /^TCR is 0x\w+: the granule of the range of T0SZ/],
    [{ ...EL1, tcr: TCR_EL1 & ~(3n << 30n) }, /^TCR is 0x\w+: the granule of the range of T1SZ/],
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

  it('a processor without LPA2 ignores DS', () => {
    expect(() => create({ ...EL1, tcr: TCR_EL1 | (1n << 59n), cpu: 'cortex-a72' })).not.toThrow();
  });
});

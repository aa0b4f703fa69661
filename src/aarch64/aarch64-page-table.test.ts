import { describe, expect, test } from 'vitest';
import { codeOf, entryOf, newAArch64, TABLES_BASE, tableMemory } from '../../test/support/page-tables.ts';
import { MemoryAttributes } from '../memory-attributes.ts';
import { PagingType } from '../patina/paging-type.ts';
import { AArch64PageTable } from './aarch64-page-table.ts';

const {
  ExecuteProtect,
  ReadOnly,
  ReadProtect,
  Supervisor,
  Uncached,
  UncachedExport,
  Writeback,
  WriteCombining,
} = MemoryAttributes;
const { WriteProtect, WriteThrough } = MemoryAttributes;
const K = 1024;
const M = 1024 * K;
const UXN = 1n << 54n;
const PXN = 1n << 53n;

describe('new AArch64 tables', () => {
  test('lead back to themselves in entry 511 and reserve a zero page below entry 510', () => {
    const { memory, allocator } = tableMemory();
    newAArch64({ memory, allocator });
    expect([511, 510].map((index) => entryOf(memory, 0, index))).toEqual([0x1_0000_070fn, 0x1_0000_170fn]);
    expect(entryOf(memory, 3, 0)).toBe(0x70en);
  });

  test('have 4 levels and no others', () => {
    expect(codeOf(() => newAArch64({ pagingType: PagingType.Paging5Level }))).toBe('UnsupportedPagingType');
  });
});

describe('descriptors', () => {
  test.each([
    ['writeback', Writeback, 0x70fn],
    ['write-through', WriteThrough, 0x70bn],
    ['write-combining', WriteCombining, 0x407n],
    ['uncached and execute-protect', Uncached | ExecuteProtect, UXN | 0x403n],
    ['read-only', Writeback | ReadOnly, 0x78fn],
    ['execute-protect', Writeback | ExecuteProtect, UXN | 0x70fn],
    ['read-protect', Writeback | ReadProtect, 0x30en],
  ])('a page with %s has the right bits at EL2', (_, attributes, bits) => {
    const { memory, allocator } = tableMemory();
    newAArch64({ memory, allocator }).mapMemoryRegion(4 * K, 4 * K, attributes);
    expect(entryOf(memory, 6, 1)).toBe(0x1000n | bits);
  });

  test('a 2 MiB block has bit 1 clear', () => {
    const { memory, allocator } = tableMemory();
    newAArch64({ memory, allocator }).mapMemoryRegion(2 * M, 2 * M, Writeback);
    expect(entryOf(memory, 5, 1)).toBe(0x20_070dn);
  });

  test.each([
    ['no cache type', ReadOnly],
    ['two cache types', Writeback | WriteThrough],
    ['uncached-export', UncachedExport | ExecuteProtect],
    ['write-protect', WriteProtect],
    ['write-protect beside writeback', WriteProtect | Writeback],
    ['executable device memory', Uncached],
  ])('%s cannot be encoded', (_, attributes) => {
    const table = newAArch64();
    expect(codeOf(() => table.mapMemoryRegion(0, 4 * K, attributes))).toBe('IncompatibleMemoryAttributes');
  });

  test('say which page cannot have which attributes, and why', () => {
    expect(() => newAArch64().mapMemoryRegion(0x3000, 4 * K, Uncached | ReadOnly)).toThrow(
      'IncompatibleMemoryAttributes: page 0x3000 cannot have the attributes 0x20001 (uncached, read-only): ' +
        'uncached (device) memory must be execute-protected',
    );
  });

  test('the supervisor attribute means nothing', () => {
    const table = newAArch64();
    table.mapMemoryRegion(0, 4 * K, Writeback | Supervisor);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(Writeback);
  });
});

describe('execute permission', () => {
  /** A page of the regime whose descriptor has the bits set, and whose root entry has the others. */
  function queried(regime: 'el1' | 'el2', bits: bigint, tableBits = 0n): number {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator, regime });
    table.mapMemoryRegion(0, 4 * K, Writeback);
    memory.writeEntry(TABLES_BASE + 6 * 4096, entryOf(memory, 6, 0) | bits);
    memory.writeEntry(TABLES_BASE, entryOf(memory, 0, 0) | tableBits);
    return table.queryMemoryRegion(0, 4 * K);
  }
  const UXN_TABLE = 1n << 60n;
  const PXN_TABLE = 1n << 59n;
  const USER = 1n << 6n;

  test('execute-protect sets UXN, which is XN, at EL2, and both UXN and PXN at EL1', () => {
    for (const [regime, bits] of [
      ['el2', UXN],
      ['el1', UXN | PXN],
    ] as const) {
      const { memory, allocator } = tableMemory();
      const table = newAArch64({ memory, allocator, regime });
      table.mapMemoryRegion(0, 4 * K, Writeback | ExecuteProtect);
      expect(entryOf(memory, 6, 0)).toBe(bits | 0x70fn);
      expect(table.queryMemoryRegion(0, 4 * K)).toBe(Writeback | ExecuteProtect);
    }
  });

  test('at EL1 a page is execute-protected only if neither EL0 nor EL1 may execute', () => {
    expect(queried('el1', UXN)).toBe(Writeback);
    expect(queried('el1', PXN)).toBe(Writeback);
    expect(queried('el1', UXN | PXN)).toBe(Writeback | ExecuteProtect);
    expect(queried('el1', UXN | USER)).toBe(Writeback | ExecuteProtect);
    expect(queried('el1', UXN, PXN_TABLE)).toBe(Writeback | ExecuteProtect);
    expect(queried('el1', 0n, UXN_TABLE)).toBe(Writeback);
    expect(queried('el1', 0n, UXN_TABLE | PXN_TABLE)).toBe(Writeback | ExecuteProtect);
  });

  test('at EL2 XN and XNTable alone forbid it', () => {
    expect(queried('el2', UXN)).toBe(Writeback | ExecuteProtect);
    expect(queried('el2', PXN)).toBe(Writeback);
    expect(queried('el2', 0n, UXN_TABLE)).toBe(Writeback | ExecuteProtect);
  });

  test('splitting a block at EL1 keeps what only one level may not do', () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator, regime: 'el1' });
    table.mapMemoryRegion(0, 2 * M, Writeback);
    memory.writeEntry(TABLES_BASE + 5 * 4096, entryOf(memory, 5, 0) | UXN);
    table.unmapMemoryRegion(0, 4 * K);
    expect(entryOf(memory, 6, 1)).toBe(UXN | 0x170fn);
  });
});

describe('write permission', () => {
  const AP_TABLE_READ_ONLY = 1n << 62n;

  test('AP = 0b11 and APTable[1] are read-only, AP = 0b01 is not', () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator });
    table.mapMemoryRegion(0, 4 * K, Writeback);
    memory.writeEntry(TABLES_BASE + 6 * 4096, 0x7cfn);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(Writeback | ReadOnly);
    memory.writeEntry(TABLES_BASE + 6 * 4096, 0x74fn);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(Writeback);
    memory.writeEntry(TABLES_BASE, entryOf(memory, 0, 0) | AP_TABLE_READ_ONLY);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(Writeback | ReadOnly);
  });

  test('a block with AP = 0b11 stays read-only when it is split', () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator });
    table.mapMemoryRegion(0, 2 * M, Writeback);
    memory.writeEntry(TABLES_BASE + 5 * 4096, 0x7cdn);
    table.unmapMemoryRegion(0, 4 * K);
    expect(table.queryMemoryRegion(4 * K, 2 * M - 4 * K)).toBe(Writeback | ReadOnly);
  });
});

describe('ranges', () => {
  test.each([
    [0, 0, 'InvalidMemoryRange'],
    [0x800, 0x1000, 'UnalignedAddress'],
    [0x1000, 0x1800, 'UnalignedMemoryRange'],
    [0xff00_0000_0000, 0x1000, 'InvalidMemoryRange'],
    [0xfeff_ffff_f000, 0x2000, 'InvalidMemoryRange'],
    [0xffff_0000_0000_0000n, 0x1000, 'InvalidMemoryRange'],
    [0xffff_ffff_ffff_f000n, 0x2000, 'AdditionOverflow'],
  ])('%s + %s cannot be mapped: %s', (address, size, code) => {
    const table = newAArch64();
    expect(codeOf(() => table.mapMemoryRegion(address, size, Writeback))).toBe(code);
    expect(codeOf(() => table.unmapMemoryRegion(address, size))).toBe(code);
  });

  test('a query does not confuse an address outside TTBR0 with the one that shares its low 48 bits', () => {
    const table = newAArch64();
    table.mapMemoryRegion(2 * M, 2 * M, Writeback);
    const upper = 0xffff_0000_0000_0000n;
    expect(codeOf(() => table.queryMemoryRegion(upper + 0x20_0000n, 4 * K))).toBe('NoMapping');
    expect(codeOf(() => table.queryMemoryRegion((1n << 48n) + 0x20_0000n, 4 * K))).toBe('NoMapping');
    expect(codeOf(() => table.queryMemoryRegion(2 * M, upper))).toBe('InconsistentMappingAcrossRange');
    expect(codeOf(() => table.queryMemoryRegion(0xffff_ffff_f000, 8 * K))).toBe('InvalidMemoryRange');
    expect(codeOf(() => table.queryMemoryRegion(upper, 2n ** 48n))).toBe('NoMapping');
  });

  test('the upper half of TTBR0 is reported as it is and, beside it, as patina-paging has it', () => {
    const table = newAArch64();
    table.mapMemoryRegion(0x8000_0000_0000, 4 * K, Writeback);
    expect([...table.mappedRegions()]).toEqual([
      {
        virtualAddress: 0x8000_0000_0000n,
        signExtendedAddress: 0xffff_8000_0000_0000n,
        physicalAddress: 0x8000_0000_0000n,
        size: 0x1000n,
        attributes: Writeback,
      },
    ]);
  });
});

describe('installation', () => {
  test('at EL2 wants what patina-paging sets', () => {
    expect(newAArch64().registers()).toEqual({
      architecture: 'aarch64',
      exceptionLevel: 2,
      ttbr0: 0x1_0000_0000n,
      ttbr1: 0n,
      tcr: 0x8085_3510n,
      mair: 0xffbb_4400n,
      sctlr: 0x30c5_183dn,
      hcrEl2: 0x8000_0000n,
      physicalAddressBits: 48,
    });
  });

  test('at EL1 wants TTBR1 off and the address size in IPS', () => {
    const { exceptionLevel, tcr, sctlr } = newAArch64({ regime: 'el1', physicalAddressBits: 44 }).registers();
    expect([exceptionLevel, tcr, sctlr]).toEqual([1, 0x4_4080_3510n, 0x30d0_180dn]);
  });

  test.each([
    [36, 1n],
    [40, 2n],
    [42, 3n],
    [47, 4n],
    [52, 5n],
  ])('a CPU with %i address bits has PS = %i', (physicalAddressBits, size) => {
    expect((newAArch64({ physicalAddressBits }).registers().tcr >> 16n) & 7n).toBe(size);
  });

  test('active tables are opened from TTBR0 at their regime', () => {
    const { memory, allocator } = tableMemory();
    const created = newAArch64({ memory, allocator, regime: 'el1' });
    const registers = { ...created.registers(), ttbr0: created.intoPageTableRoot() | (5n << 48n) | 1n };
    const table = AArch64PageTable.openActive(registers, { memory, allocator });
    table.mapMemoryRegion(0, 4 * K, Writeback | ExecuteProtect);
    expect(entryOf(memory, 6, 0)).toBe(UXN | PXN | 0x70fn);
    expect(table.registers()).toEqual(registers);
  });

  test.each([
    ['the MMU is off', { sctlr: 0n }, 'NotInstalled'],
    ['the granule is 64 KiB', { tcr: 0x8085_7510n }, 'UnsupportedPagingType'],
    ['addresses have 39 bits', { tcr: 0x8085_3519n }, 'UnsupportedPagingType'],
    ['EL2 has EL0', { hcrEl2: 1n << 34n }, 'UnsupportedPagingType'],
    ['the regime is EL3', { exceptionLevel: 3 as const }, 'UnsupportedPagingType'],
    ['the root is not 4 KiB aligned', { ttbr0: 0x1_0000_0040n }, 'UnalignedPageBase'],
  ])('active tables are not opened if %s', (_, change, code) => {
    const { memory, allocator } = tableMemory();
    const registers = { ...newAArch64({ memory, allocator }).registers(), ...change };
    expect(codeOf(() => AArch64PageTable.openActive(registers, { memory, allocator }))).toBe(code);
  });
});

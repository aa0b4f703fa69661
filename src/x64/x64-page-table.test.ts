import { describe, expect, test } from 'vitest';
import { codeOf, entryOf, newX64, TABLES_BASE, tableMemory } from '../../test/support/page-tables.ts';
import { MemoryAttributes } from '../memory-attributes.ts';
import { PagingType } from '../patina/paging-type.ts';
import type { Registers } from '../registers.ts';
import { X64PageTable } from './x64-page-table.ts';

const { ExecuteProtect, None, ReadOnly, ReadProtect, Supervisor, Writeback } = MemoryAttributes;
const K = 1024;
const M = 1024 * K;
const G = 1024 * M;

describe('new x64 tables', () => {
  test('lead back to themselves in entry 511 and reserve a zero page below entry 510', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    expect(table.intoPageTableRoot()).toBe(0x1_0000_0000n);
    expect([511, 510].map((index) => entryOf(memory, 0, index))).toEqual([0x1_0000_0007n, 0x1_0000_1007n]);
    expect([1, 2, 3].map((frame) => entryOf(memory, frame, 0))).toEqual([0x1_0000_2007n, 0x1_0000_3007n, 6n]);
    expect(allocator.allocatedPages).toBe(4);
  });

  test('have one level more with 5-level paging', () => {
    const { memory, allocator } = tableMemory();
    newX64({ memory, allocator, pagingType: PagingType.Paging5Level });
    expect(allocator.allocatedPages).toBe(5);
    expect(entryOf(memory, 4, 0)).toBe(6n);
  });

  test('map nothing', () => {
    expect([...newX64().mappedRegions()]).toEqual([]);
  });
});

describe('mapping', () => {
  test('uses the largest pages that fit', () => {
    const table = newX64();
    table.mapMemoryRegion(G - 2 * M - 4 * K, G + 2 * M + 8 * K, ReadOnly);
    const sizes = [...table.mappedRegions()].map(({ virtualAddress, size }) => [virtualAddress, size]);
    expect(sizes).toEqual([
      [BigInt(G - 2 * M - 4 * K), BigInt(4 * K)],
      [BigInt(G - 2 * M), BigInt(2 * M)],
      [BigInt(G), BigInt(G)],
      [BigInt(2 * G), BigInt(4 * K)],
    ]);
  });

  test.each([
    ['nothing', None, 0x40_0007n],
    ['read-only', ReadOnly, 0x40_0005n],
    ['execute-protect', ExecuteProtect, 0x8000_0000_0040_0007n],
    ['read-protect', ReadProtect, 0x40_0006n],
    ['a cache type, which MTRRs decide', Writeback, 0x40_0007n],
    ['supervisor, which it does not know', Supervisor, 0x40_0007n],
  ])('a page with %s has the right bits', (_, attributes, entry) => {
    const { memory, allocator } = tableMemory();
    newX64({ memory, allocator }).mapMemoryRegion(4 * M, 4 * K, attributes);
    expect(entryOf(memory, 6, 0)).toBe(entry);
  });

  test('clears U/S for the supervisor attribute where that is honoured', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator, supervisorAttribute: true });
    table.mapMemoryRegion(2 * M, 2 * M, Supervisor);
    expect(entryOf(memory, 5, 1)).toBe(0x20_0083n);
    expect(table.queryMemoryRegion(2 * M, 4 * K)).toBe(Supervisor);
  });

  test('maps the upper half to the low 52 bits of its addresses', () => {
    const table = newX64();
    table.mapMemoryRegion(0xffff_8000_0000_0000n, 4 * K, None);
    expect([...table.mappedRegions()]).toEqual([
      {
        virtualAddress: 0xffff_8000_0000_0000n,
        signExtendedAddress: 0xffff_8000_0000_0000n,
        physicalAddress: 0xf_8000_0000_0000n,
        size: 0x1000n,
        attributes: None,
      },
    ]);
  });

  test('splits a large page and keeps the rest of it as it was', () => {
    const table = newX64();
    table.mapMemoryRegion(G, G, ReadOnly);
    table.mapMemoryRegion(G + 2 * M + 4 * K, 4 * K, ExecuteProtect);
    expect(table.queryMemoryRegion(G, 2 * M + 4 * K)).toBe(ReadOnly);
    expect(table.queryMemoryRegion(G + 2 * M + 4 * K, 4 * K)).toBe(ExecuteProtect);
    expect(table.queryMemoryRegion(G + 2 * M + 8 * K, G - 2 * M - 8 * K)).toBe(ReadOnly);
  });

  test('does not split a large page that has the attributes already', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    table.mapMemoryRegion(G, G, ReadOnly);
    const pages = allocator.allocatedPages;
    table.mapMemoryRegion(G + 4 * K, 4 * K, ReadOnly);
    expect(allocator.allocatedPages).toBe(pages);
  });

  test('keeps the output addresses when it splits a large page that is not identity-mapped', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    table.mapMemoryRegion(2 * M, 2 * M, None);
    memory.writeEntry(TABLES_BASE + 5 * 4096 + 8, 0x4060_1087n); // 2 MiB page with PAT at 0x4060_0000
    table.unmapMemoryRegion(2 * M, 4 * K);
    const [first] = table.mappedRegions();
    expect(first?.physicalAddress).toBe(0x4060_1000n);
  });

  test('keeps accessed and dirty bits of the entry that it writes over', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    table.mapMemoryRegion(4 * K, 4 * K, None);
    memory.writeEntry(TABLES_BASE + 6 * 4096 + 8, 0x1067n | (0x7ffn << 52n) | (0xfn << 8n));
    table.mapMemoryRegion(4 * K, 4 * K, ReadOnly);
    expect(entryOf(memory, 6, 1)).toBe(0x1065n);
  });

  test('takes number and bigint addresses alike', () => {
    const first = tableMemory();
    const second = tableMemory();
    newX64(first).mapMemoryRegion(5 * M, 3 * M, None);
    newX64(second).mapMemoryRegion(BigInt(5 * M), BigInt(3 * M), None);
    expect(first.memory.ranges[0]?.words).toEqual(second.memory.ranges[0]?.words);
  });
});

describe('ranges', () => {
  const LAST_MAPPABLE_4 = 0xffff_feff_ffff_f000n;
  const LAST_MAPPABLE_5 = 0xfffd_ffff_ffff_f000n;

  test.each([
    [0, 0, 'InvalidMemoryRange'],
    [0x800, 0x1000, 'UnalignedAddress'],
    [0x1000, 0x1800, 'UnalignedMemoryRange'],
    [0x8000_0000_0000n, 0x1000, 'InvalidParameter'],
    [0x8000_0000_0000, 0x1000, 'InvalidParameter'],
    [0xffff_7fff_ffff_f000n, 0x1000, 'InvalidParameter'],
    [0x7fff_ffff_f000, 0x2000, 'InvalidMemoryRange'],
    [0xffff_ffff_ffff_f000n, 0x2000, 'InvalidMemoryRange'],
    [0x1000, 0xffff_ffff_ffff_f000n, 'InvalidMemoryRange'],
  ])('%s + %s is refused by every operation: %s', (address, size, code) => {
    const table = newX64();
    expect(codeOf(() => table.mapMemoryRegion(address, size, None))).toBe(code);
    expect(codeOf(() => table.unmapMemoryRegion(address, size))).toBe(code);
    expect(codeOf(() => table.queryMemoryRegion(address, size))).toBe(code);
    expect(codeOf(() => table.dumpPageTables(address, size))).toBe(code);
  });

  test.each([
    [PagingType.Paging4Level, LAST_MAPPABLE_4],
    [PagingType.Paging5Level, LAST_MAPPABLE_5],
  ])('%s tables map up to %i and reserve the rest for themselves', (pagingType, last) => {
    const table = newX64({ pagingType });
    table.mapMemoryRegion(last, 0x1000, None);
    expect(table.queryMemoryRegion(last, 0x1000)).toBe(None);
    expect(codeOf(() => table.mapMemoryRegion(last, 0x2000, None))).toBe('InvalidMemoryRange');
    expect(codeOf(() => table.unmapMemoryRegion(last + 0x1000n, 0x1000))).toBe('InvalidMemoryRange');
  });

  test('the last page of the address space can be queried: it is the root in the self-map', () => {
    expect(newX64().queryMemoryRegion(0xffff_ffff_ffff_f000n, 0x1000)).toBe(None);
  });

  test('5-level tables map addresses beyond 2^53 from bigints', () => {
    const table = newX64({ pagingType: PagingType.Paging5Level });
    table.mapMemoryRegion(0xff_ffff_ffff_f000n, 0x1000, ReadOnly);
    expect(table.queryMemoryRegion(0xff_ffff_ffff_f000n, 0x1000)).toBe(ReadOnly);
  });

  test.each([-0x1000, -0x1000n, 1n << 64n, Number.NaN, 2 ** 53])('%s is no address', (address) => {
    expect(() => newX64().mapMemoryRegion(address, 0x1000, None)).toThrow(RangeError);
  });

  test.each([-1, 0.5, 2 ** 32, Number.NaN])('%s is no attribute word', (attributes) => {
    expect(() => newX64().mapMemoryRegion(0, 0x1000, attributes)).toThrow(RangeError);
  });
});

describe('querying', () => {
  test('tells unmapped, partly mapped and differently mapped ranges apart', () => {
    const table = newX64();
    table.mapMemoryRegion(2 * M, 2 * M, None);
    table.mapMemoryRegion(4 * M, 4 * K, ReadOnly);
    expect(codeOf(() => table.queryMemoryRegion(0, 2 * M))).toBe('NoMapping');
    expect(codeOf(() => table.queryMemoryRegion(0, 4 * M))).toBe('InconsistentMappingAcrossRange');
    expect(codeOf(() => table.queryMemoryRegion(4 * M, 8 * K))).toBe('InconsistentMappingAcrossRange');
    expect(codeOf(() => table.queryMemoryRegion(2 * M, 2 * M + 4 * K))).toBe('NonUniformMemoryAttributes');
    expect(table.queryMemoryRegion(2 * M, 2 * M)).toBe(None);
  });

  test('adds what the tables above forbid', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    table.mapMemoryRegion(0, 2 * M, None);
    const rootEntry = entryOf(memory, 0, 0);
    memory.writeEntry(TABLES_BASE, (rootEntry & ~2n) | (1n << 63n));
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(ReadOnly | ExecuteProtect);
    expect([...table.mappedRegions()][0]?.attributes).toBe(ReadOnly | ExecuteProtect);
  });
});

describe('existing tables', () => {
  test('are opened at their root and edited further', () => {
    const { memory, allocator } = tableMemory();
    const root = newX64({ memory, allocator }).intoPageTableRoot();
    const table = X64PageTable.fromExisting(root, { memory, allocator });
    table.mapMemoryRegion(0, 4 * K, None);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(None);
  });

  test('have an aligned root that lies in memory', () => {
    const { memory, allocator } = tableMemory();
    const open = (root: number) => () => X64PageTable.fromExisting(root, { memory, allocator });
    expect(codeOf(open(TABLES_BASE + 8))).toBe('UnalignedPageBase');
    expect(codeOf(open(0x1000))).toBe('TableOutsideMemory');
  });

  test('that point out of the memory fail with the address, whatever is asked', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    memory.writeEntry(TABLES_BASE, 0xdead_b000_0007n);
    const message = /TableOutsideMemory: no memory holds a table at 0xdeadb0000000/;
    expect(() => table.mapMemoryRegion(0, 4 * K, None)).toThrow(message);
    expect(() => table.unmapMemoryRegion(0, 4 * K)).toThrow(message);
    expect(() => table.queryMemoryRegion(0, 4 * K)).toThrow(message);
    expect(() => table.dumpPageTables(0, 4 * K)).toThrow(message);
    expect(() => [...table.mappedRegions()]).toThrow(message);
  });

  test('that lead to themselves are read level by level and end', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    memory.writeEntry(TABLES_BASE, BigInt(TABLES_BASE) | 7n);
    expect(table.queryMemoryRegion(0, 4 * K)).toBe(None);
  });
});

describe('installation', () => {
  test.each([
    [PagingType.Paging4Level, 0x20n],
    [PagingType.Paging5Level, 0x1020n],
  ])('%s tables want CR3, long mode, write protection and execute-disable', async (pagingType, cr4) => {
    const loaded: Registers[] = [];
    const installer = { install: (registers: Registers) => void loaded.push(registers) };
    const table = newX64({ pagingType, installer, physicalAddressBits: 40 });
    expect(table.installedRegisters).toBeUndefined();
    await table.installPageTable();
    const expected = {
      architecture: 'x64',
      cr0: 0x8001_0031n,
      cr3: 0x1_0000_0000n,
      cr4,
      efer: 0xd00n,
      physicalAddressBits: 40,
    };
    expect(loaded).toEqual([expected]);
    expect(table.installedRegisters).toEqual(expected);
  });

  test('without a machine records the registers', async () => {
    const table = newX64();
    await table.installPageTable();
    expect(table.installedRegisters?.cr3).toBe(0x1_0000_0000n);
  });

  test('that the machine refuses is not recorded', async () => {
    const installer = { install: () => Promise.reject(new Error('no LA57')) };
    const table = newX64({ installer });
    await expect(table.installPageTable()).rejects.toThrow('no LA57');
    expect(table.installedRegisters).toBeUndefined();
  });

  test('active tables are opened from CR3, with as many levels as CR4.LA57 says', () => {
    const { memory, allocator } = tableMemory();
    const created = newX64({ memory, allocator, pagingType: PagingType.Paging5Level });
    created.mapMemoryRegion(1n << 50n, 4 * K, ReadOnly);
    const registers = { ...created.registers(), cr3: created.intoPageTableRoot() | 0x18n };
    const table = X64PageTable.openActive(registers, { memory, allocator });
    expect(table.queryMemoryRegion(1n << 50n, 4 * K)).toBe(ReadOnly);
    expect(table.registers()).toEqual(registers);
  });

  test('tables are not active while paging is off', () => {
    const { memory, allocator } = tableMemory();
    const registers = { ...newX64({ memory, allocator }).registers(), cr0: 0x11n };
    expect(codeOf(() => X64PageTable.openActive(registers, { memory, allocator }))).toBe('NotInstalled');
  });
});

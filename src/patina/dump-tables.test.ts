import { describe, expect, test } from 'vitest';
import { newAArch64, newX64, TABLES_BASE, tableMemory } from '../../test/support/page-tables.ts';
import { MemoryAttributes } from '../memory-attributes.ts';

const { ExecuteProtect, ReadOnly, Uncached, Writeback } = MemoryAttributes;

describe('the dump of x64 tables', () => {
  test('has a line for each entry, below the one that leads to it', () => {
    const table = newX64();
    table.mapMemoryRegion(0x20_0000, 0x20_1000, ReadOnly | ExecuteProtect);
    expect(`\n${table.dumpPageTables(0, 0x40_2000)}\n`).toMatchInlineSnapshot(`
      "
      root table at 0x0000000100000000, entries for 0x0000000000000000–0x0000000000401fff
                                                                                  63       62:52                                    51:12 11:9 8  7 6 5   4   3   2   1 0
      level     index  virtual addresses                      output address      XD   available                                  address  AVL G PS D A PCD PWT U/S R/W P
      PML4          0  0x0000000000000000–0x0000007fffffffff  0x0000000100004000   0 00000000000 0000000000000000000100000000000000000100  000 0  0 0 0   0   0   1   1 1
      PDPT          0  0x0000000000000000–0x000000003fffffff  0x0000000100005000   0 00000000000 0000000000000000000100000000000000000101  000 0  0 0 0   0   0   1   1 1
      PD            1  0x0000000000200000–0x00000000003fffff  0x0000000000200000   1 00000000000 0000000000000000000000000000001000000000  000 0  1 0 0   0   0   1   0 1
      PD            2  0x0000000000400000–0x00000000005fffff  0x0000000100006000   0 00000000000 0000000000000000000100000000000000000110  000 0  0 0 0   0   0   1   1 1
      PT            0  0x0000000000400000–0x0000000000400fff  0x0000000000400000   1 00000000000 0000000000000000000000000000010000000000  000 0  0 0 0   0   0   1   0 1
      "
    `);
  });

  test('shows the self-map as one entry and the zero page that is not present', () => {
    const table = newX64();
    const lines = table
      .dumpPageTables(0xffff_ff00_0000_0000n, 0x100_0000_0000n - 0x1000n)
      .split('\n')
      .slice(3);
    expect(lines.map((line) => line.slice(0, 15))).toEqual([
      'PML4        510',
      'PDPT          0',
      'PD            0',
      'PT            0',
      'PML4        511',
    ]);
  });

  test('has no line for entries that are zero or outside the range', () => {
    const table = newX64();
    table.mapMemoryRegion(0, 0x3000, 0);
    expect(
      table
        .dumpPageTables(0x1000, 0x1000)
        .split('\n')
        .filter((line) => line.startsWith('PT ')),
    ).toHaveLength(1);
    expect(table.dumpPageTables(0x80_0000_0000, 0x1000).split('\n')).toHaveLength(3);
  });
});

describe('the dump of AArch64 tables', () => {
  test('has the columns of stage 1 descriptors', () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator });
    table.mapMemoryRegion(0x1000, 0x1000, Uncached | ExecuteProtect);
    table.mapMemoryRegion(0x20_0000, 0x20_0000, Writeback | ReadOnly);
    memory.writeEntry(TABLES_BASE, 0x1_0000_470fn | (0b1_0101n << 59n));
    expect(`\n${table.dumpPageTables(0, 0x40_0000)}\n`).toMatchInlineSnapshot(`
      "
      root table at 0x0000000100000000, entries for 0x0000000000000000–0x00000000003fffff
                                                                                       63   62:61      60       59    58:55  54  53   52  51 50                                  49:12 11 10 9:8 7:6  5  4:2 1 0
      level     index  virtual addresses                      output address      NSTable APTable XNTable PXNTable software UXN PXN Cont DBM GP                                address nG AF  SH  AP NS Attr T V
      level 0       0  0x0000000000000000–0x0000007fffffffff  0x0000000100004000        1      01       0        1     0000   0   0    0   0  0 00000000000000000100000000000000000100  0  1  11  00  0  011 1 1
      level 1       0  0x0000000000000000–0x000000003fffffff  0x0000000100005000        0      00       0        0     0000   0   0    0   0  0 00000000000000000100000000000000000101  0  1  11  00  0  011 1 1
      level 2       0  0x0000000000000000–0x00000000001fffff  0x0000000100006000        0      00       0        0     0000   0   0    0   0  0 00000000000000000100000000000000000110  0  1  11  00  0  011 1 1
      level 3       1  0x0000000000001000–0x0000000000001fff  0x0000000000001000        0      00       0        0     0000   1   0    0   0  0 00000000000000000000000000000000000001  0  1  00  00  0  000 1 1
      level 2       1  0x0000000000200000–0x00000000003fffff  0x0000000000200000        0      00       0        0     0000   0   0    0   0  0 00000000000000000000000000001000000000  0  1  11  10  0  011 0 1
      "
    `);
  });

  test('ends where TTBR0 does', () => {
    expect(newAArch64().dumpPageTables(0, 0xffff_ffff_ffff_f000n).split('\n')).toHaveLength(3 + 5);
  });
});

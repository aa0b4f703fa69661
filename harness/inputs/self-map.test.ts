import { describe, expect, test } from 'vitest';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { el2Registers, x64Registers } from '../../test/inputs/images.ts';
import { selfMapOf } from './self-map.ts';

const ROOT = 0x20_0000n;

/** A top-level table with one entry. */
function tableWith(index: number, entry: bigint): PhysicalMemory {
  const memory = PhysicalMemory.allocate(ROOT, 0x2000);
  memory.writeEntry(ROOT + BigInt(index * 8), entry);
  return memory;
}

const FIVE_LEVELS = { ...x64Registers(ROOT), cr4: 0x1020n };

describe('the last entry of the top-level table, where it leads to that table, is a self-map', () => {
  test.each([
    ['4-level', x64Registers(ROOT), 0x7n, 0xffff_ff80_0000_0000n, 2 ** 39],
    ['5-level', FIVE_LEVELS, 0x7n, 0xffff_0000_0000_0000n, 2 ** 48],
    ['AArch64', el2Registers(ROOT), 0x70fn, 0xff80_0000_0000n, 2 ** 39],
  ])('with %s tables', (_mode, registers, flags, start, size) => {
    expect(selfMapOf(tableWith(511, ROOT | flags), registers)).toEqual([
      { name: 'self-map', firstPage: Number(start >> 12n), pageCount: size / 4096 },
    ]);
  });
});

describe('there is no self-map', () => {
  test.each([
    ['the last entry leads to another table', tableWith(511, 0x20_1007n)],
    ['another entry leads to the top-level table', tableWith(510, ROOT | 7n)],
    ['the last entry is not present', tableWith(511, ROOT | 6n)],
    ['the last entry is a leaf', tableWith(511, ROOT | 0x87n)],
    ['the top-level table is not there', PhysicalMemory.allocate(0, 0x1000)],
  ])('where %s', (_what, memory) => {
    expect(selfMapOf(memory, x64Registers(ROOT))).toEqual([]);
  });

  test('where AArch64 tables do not translate 48 bits', () => {
    const registers = { ...el2Registers(ROOT), tcr: el2Registers(ROOT).tcr + 4n };
    expect(selfMapOf(tableWith(511, ROOT | 0x70fn), registers)).toEqual([]);
  });
});

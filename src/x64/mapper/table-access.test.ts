import { expect, test } from 'vitest';
import { PhysicalMemory } from '../../memory/physical-memory.ts';
import { OffsetPageTable } from './offset-page-table.ts';
import { Page } from './page.ts';
import { Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';
import { RecursivePageTable } from './recursive-page-table.ts';

const BASE = 0x10_0000;
const ROOT = PhysFrame.fromStartAddress(Size4KiB, BASE);
const { Present, Writable } = PageTableFlags;
/** The level 4 table as the recursive entry 511 shows it. */
const RECURSIVE_TABLE = 0xffff_ffff_ffff_f000n;

function allocator() {
  let next = BASE / 4096;
  return { allocateFrame: () => ++next as PhysFrame<Size4KiB> };
}

function recursiveMemory(entry = BigInt(BASE) | 3n): PhysicalMemory {
  const memory = PhysicalMemory.allocate(BASE, 0x10_000);
  memory.writeEntry(BASE + 511 * 8, entry);
  return memory;
}

test('tables behind an offset hold physical addresses', () => {
  const offset = 0xffff_8000_0000_0000n;
  const memory = PhysicalMemory.allocate(offset + BigInt(BASE), 0x10_000);
  const table = new OffsetPageTable(memory, ROOT, offset);
  table.size4KiB
    .mapTo(
      Page.fromStartAddress(Size4KiB, 0x7000),
      PhysFrame.fromStartAddress(Size4KiB, 0x9000),
      Present,
      allocator(),
    )
    .ignore();
  expect(table.translateAddr(0x7000)).toBe(0x9000n);
  expect(memory.readEntry(offset + BigInt(BASE))).toBe(BigInt(BASE) + 0x1001n);
});

test('an offset that is not canonical or not a multiple of 4096 is refused', () => {
  const memory = PhysicalMemory.allocate(0, 0x1000);
  expect(() => new OffsetPageTable(memory, ROOT, 0x8000_0000_0000n)).toThrow(/VirtAddrNotValid/);
  expect(() => new OffsetPageTable(memory, ROOT, 0x800n)).toThrow(/UnalignedAddress.*0x800/);
  expect(() => new OffsetPageTable(memory, ROOT, 0n)).toThrow(/TableOutsideMemory/);
});

test('recursive tables: every level is read at the address that the recursive entry gives it', () => {
  const memory = recursiveMemory();
  const table = new RecursivePageTable(memory, RECURSIVE_TABLE, BASE);
  const address = 0xdead_beaf_f000n & 0x7fff_ffff_f000n;
  table.size4KiB
    .mapTo(
      Page.fromStartAddress(Size4KiB, address),
      PhysFrame.fromStartAddress(Size4KiB, 0x9000),
      Present,
      allocator(),
    )
    .ignore();
  expect(table.recursiveIndex).toBe(511);
  expect(table.tableAddress(address, 4)).toBe(RECURSIVE_TABLE);
  for (const level of [1, 2, 3] as const) {
    const tableFrame = BASE / 4096 + (4 - level);
    expect(table.translateAddr(table.tableAddress(address, level))).toBe(BigInt(tableFrame) * 4096n);
  }
});

test('new parents of recursive tables are writable even for a read-only page, and clean-up spares the recursive entry', () => {
  const memory = recursiveMemory();
  const table = new RecursivePageTable(memory, RECURSIVE_TABLE, BASE);
  const page = Page.fromStartAddress(Size4KiB, 0x7000);
  table.size4KiB.mapTo(page, PhysFrame.fromStartAddress(Size4KiB, 0x9000), Present, allocator()).ignore();
  expect(memory.readEntry(BASE)).toBe(BigInt(BASE) + 0x1000n + BigInt(Present | Writable));
  table.size4KiB.unmap(page).flush.ignore();
  const freed: number[] = [];
  table.cleanUp({ deallocateFrame: (frame) => freed.push(frame) });
  expect(freed).toHaveLength(3);
  expect(memory.readEntry(BASE + 511 * 8)).toBe(BigInt(BASE) | 3n);
});

test.each([
  ['indices that differ', 0xffff_ffff_ffe0_0000n, BASE, recursiveMemory(), /NotRecursive.*level 1 is 0/],
  ['an entry that leads elsewhere', RECURSIVE_TABLE, BASE, recursiveMemory(0x9003n), /NotActive.*511/],
  ['an entry without P', RECURSIVE_TABLE, BASE, recursiveMemory(BigInt(BASE)), /NotActive/],
  ['another table in CR3', RECURSIVE_TABLE, BASE + 0x1000, recursiveMemory(), /NotActive/],
])('%s are refused', (_, address, cr3, memory, message) => {
  expect(() => new RecursivePageTable(memory, address, cr3)).toThrow(message);
});

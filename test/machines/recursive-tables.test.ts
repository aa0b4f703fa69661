import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveGuest } from '../../harness/live-guest.ts';
import type { GuestImage, Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import { PagingType } from '../../src/patina/paging-type.ts';
import { createWalker } from '../../src/walker.ts';
import { Page } from '../../src/x64/mapper/page.ts';
import { Size2MiB, Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PageTableFlags } from '../../src/x64/mapper/page-table-flags.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import { RecursivePageTable } from '../../src/x64/mapper/recursive-page-table.ts';
import { newX64, tableMemory } from '../support/page-tables.ts';
import { Bit, Control, HandmadeTables } from './x64-tables.ts';

const { P, W, A, D } = Bit;
const { Present, Writable } = PageTableFlags;
const ENTRIES = 512;
type Levels = 4 | 5;

/** Every index of the top-level entry, sign-extended: the address at which the top-level table stands. */
function recursiveAddress(index: bigint, levels: Levels): bigint {
  let address = 0n;
  for (let level = 0; level < levels; level++) address = (address << 9n) | index;
  return BigInt.asUintN(64, BigInt.asIntN(levels === 5 ? 57 : 48, address << 12n));
}

describe.each([qemuX64, unicornX64])('tables that $name reads through themselves', (provider) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());
  const load = async (image: GuestImage): Promise<LiveGuest> => {
    if (machine.loadLive === undefined) throw new Error(`${machine.name} has no live tables`);
    return machine.loadLive(image);
  };

  /** Reads the tables of every level on the way to `address`, and expects what memory holds. */
  async function expectTables(
    { memory, registers }: GuestImage,
    guest: LiveGuest,
    address: bigint,
    tableAddress: (level: number) => bigint,
  ): Promise<number> {
    const steps = createWalker(memory, registers).explain(address);
    for (const { level, levelName, tableAddress: physical } of steps) {
      const addresses = Array.from(
        { length: ENTRIES },
        (_, index) => tableAddress(level) + BigInt(8 * index),
      );
      const read = await guest.peek(addresses);
      const held = addresses.map((_, index) => memory.readEntry(physical + BigInt(8 * index)));
      expect(read.map(asWritten), `${levelName} on the way to 0x${address.toString(16)}`).toEqual(
        held.map(asWritten),
      );
      expect(read.filter((entry) => entry !== 0n).length, levelName).toBeGreaterThan(0);
    }
    return steps.length;
  }

  describe.each<Levels>([4, 5])('%i-level paging', (levels) => {
    const cr4 = levels === 5 ? Control.LA57 : 0n;

    test.each([256n, 300n, 511n])('RecursivePageTable at index %i', async (index) => {
      const image = new HandmadeTables({ cr4 });
      image.set(image.root + 8n * index, image.root | P | W);
      const { memory, registers } = image;
      const tableAddress = recursiveAddress(index, levels);
      const table = new RecursivePageTable(memory, tableAddress, registers.cr3, { levels });
      let next = Number(image.root / 0x1000n);
      const frames = { allocateFrame: () => ++next as PhysFrame<Size4KiB> };
      const pages = [0x5000n, 0x7f12_3456_7000n, 0xffff_8123_4567_8000n];
      for (const address of pages) {
        const page = Page.fromStartAddress(Size4KiB, address);
        const frame = PhysFrame.fromStartAddress(Size4KiB, 0x12_3456_7000n);
        table.size4KiB.mapTo(page, frame, Present | Writable, frames).ignore();
      }
      const huge = Page.fromStartAddress(Size2MiB, 0x4020_0000n);
      const hugeFrame = PhysFrame.fromStartAddress(Size2MiB, 0x12_3440_0000n);
      table.size2MiB.mapTo(huge, hugeFrame, Present | Writable, frames).ignore();
      const guest = await load(image);
      const seen = [];
      for (const address of [...pages, 0x4020_0000n]) {
        const at = (level: number) => table.tableAddress(address, level as 1);
        seen.push(await expectTables(image, guest, address, at));
      }
      expect(seen).toEqual([levels, levels, levels, levels - 1]);
    });

    test("Patina's self-map in entry 511", async () => {
      const { memory, allocator } = tableMemory();
      const pagingType = levels === 5 ? PagingType.Paging5Level : PagingType.Paging4Level;
      const table = newX64({ memory, allocator, pagingType, physicalAddressBits: 40 });
      table.mapMemoryRegion(0x8_5000, 0x3000, MemoryAttributes.ReadOnly);
      table.mapMemoryRegion(0x7f12_3400_0000n, 0x40_0000, MemoryAttributes.ExecuteProtect);
      const image = { memory, registers: table.registers() };
      const selfMap = new RecursivePageTable(memory, recursiveAddress(511n, levels), image.registers.cr3, {
        levels,
      });
      const guest = await load(image);
      for (const address of [0x8_5000n, 0x7f12_3420_0000n]) {
        await expectTables(image, guest, address, (level) => selfMap.tableAddress(address, level as 1));
      }
    });
  });

  test('a recursive address that goes through another entry reads another table', async () => {
    const image = new HandmadeTables();
    image.set(image.root + 8n * 511n, image.root | P | W).map(0x5000n, 0x12_3456_7000n, P);
    const guest = await load(image);
    const [right, wrong] = await guest.peek([0xffff_ffff_ffff_f000n, 0xffff_ffff_ffff_e000n]);
    expect(asWritten(right)).toBe(image.get(image.root));
    expect(wrong).toBeUndefined();
  });
});

/** A present entry without what the processor sets. */
function asWritten(entry: bigint | undefined): bigint | undefined {
  return entry === undefined || (entry & P) === 0n ? entry : entry & ~(A | D);
}

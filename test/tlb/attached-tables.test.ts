import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AttachedTables } from '../../harness/attached-tables.ts';
import type { Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { X64Registers } from '../../src/registers.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import { Page } from '../../src/x64/mapper/page.ts';
import { Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PageTableFlags } from '../../src/x64/mapper/page-table-flags.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';

const BASE = 0x10_0000;
const ADDRESS = 0xffff_8000_0008_5000n;
const FRAME = 0x12_3456_7000;
const OTHER_FRAME = 0x12_5500_0000;
const { Present, Writable } = PageTableFlags;
const REGISTERS: X64Registers = {
  architecture: 'x64',
  cr0: 0x8001_0031n,
  cr3: BigInt(BASE),
  cr4: 0x20n,
  efer: 0xd00n,
  physicalAddressBits: 40,
};
const page = Page.fromStartAddress(Size4KiB, ADDRESS);
const frame = (address: number) => PhysFrame.fromStartAddress(Size4KiB, address);

describe.each([qemuX64, unicornX64])('tables attached to a running $name', (provider) => {
  let machine: Machine;
  let table: MappedPageTable;
  let attached: AttachedTables;
  let next: number;
  const frames = { allocateFrame: () => ++next as PhysFrame<Size4KiB> };
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());
  beforeEach(async () => {
    const memory = PhysicalMemory.allocate(BASE, 0x10_000);
    next = BASE / 4096;
    table = new MappedPageTable(memory, frame(BASE));
    table.size4KiB.mapTo(page, frame(FRAME), Present | Writable, frames).ignore();
    attached = await AttachedTables.attach(machine, { memory, registers: REGISTERS }, table);
  });

  /** Where a read of the page goes; −1 if it faults. */
  const landing = async () => {
    const accesses = new AccessList(1);
    const [low, high] = [Number(ADDRESS & 0xffff_ffffn), Number(ADDRESS >> 32n)];
    accesses.set(0, low, high, Access.Read, Privilege.Supervisor);
    const expectedFrames = Float64Array.of(-1);
    const { outcomes } = await attached.probe({ accesses, expectedFrames });
    return outcomes.physicalAddress[0];
  };
  const remap = () => {
    table.size4KiB.unmap(page).flush.ignore();
    return table.size4KiB.mapTo(page, frame(OTHER_FRAME), Present | Writable, frames);
  };

  test('flush() makes a change known, ignore() leaves the old translation in force', async () => {
    expect(await landing()).toBe(FRAME);
    const promise = remap();
    promise.ignore();
    expect(await landing()).toBe(FRAME);
    table.size4KiB.updateFlags(page, Present).flush();
    expect(await landing()).toBe(OTHER_FRAME);
  });

  test('flushAll() makes everything known', async () => {
    expect(await landing()).toBe(FRAME);
    remap().ignore();
    table.size4KiB.setFlagsP4Entry(page, Present).flushAll();
    expect(await landing()).toBe(OTHER_FRAME);
  });

  test('a promise that was forgotten stops the next probe and is named', async () => {
    expect(await landing()).toBe(FRAME);
    const { flush } = table.size4KiB.unmap(page);
    await expect(landing()).rejects.toThrow(/unmap of 0xffff800000085000/);
    await expect(attached.peek([ADDRESS])).rejects.toThrow(/unmap of 0xffff800000085000/);
    flush.flush();
    expect(await landing()).toBe(-1);
  });
});

test('a machine whose tables cannot change while it runs is unfit', async () => {
  const live = await unicornX64.open();
  const machine: Machine = {
    name: live.name,
    capabilities: live.capabilities,
    load: (image) => live.load(image),
    probe: (probes) => live.probe(probes),
    readBack: () => live.readBack(),
    close: () => live.close(),
  };
  const memory = PhysicalMemory.allocate(BASE, 0x1000);
  const table = new MappedPageTable(memory, frame(BASE));
  const attaching = AttachedTables.attach(machine, { memory, registers: REGISTERS }, table);
  await expect(attaching).rejects.toMatchObject({ name: 'MachineError', code: 'unfit' });
  await machine.close();
});

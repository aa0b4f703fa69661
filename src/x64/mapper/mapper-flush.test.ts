import { beforeEach, expect, test } from 'vitest';
import { PhysicalMemory } from '../../memory/physical-memory.ts';
import { MappedPageTable } from './mapped-page-table.ts';
import type { TlbSink } from './mapper-flush.ts';
import { Page } from './page.ts';
import { Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';

const BASE = 0x10_0000;
const PAGE = Page.fromStartAddress(Size4KiB, 0xffff_8000_0000_3000n);
const { Present } = PageTableFlags;

class Recorder implements TlbSink {
  readonly seen: string[] = [];
  invalidatePage(address: bigint): void {
    this.seen.push(`page ${address.toString(16)}`);
  }
  invalidateAll(): void {
    this.seen.push('all');
  }
}

let table: MappedPageTable;
let recorder: Recorder;
beforeEach(() => {
  table = new MappedPageTable(
    PhysicalMemory.allocate(BASE, 0x10_000),
    PhysFrame.fromStartAddress(Size4KiB, BASE),
  );
  recorder = new Recorder();
  let next = BASE / 4096;
  const frames = { allocateFrame: () => ++next as PhysFrame<Size4KiB> };
  table.size4KiB.mapTo(PAGE, PhysFrame.fromStartAddress(Size4KiB, 0x5000), Present, frames).ignore();
});

test('flush invalidates the page, flushAll everything, ignore nothing', () => {
  const ledger = table.attach(recorder);
  table.size4KiB.updateFlags(PAGE, Present).flush();
  table.size4KiB.setFlagsP4Entry(PAGE, Present).flushAll();
  table.size4KiB.updateFlags(PAGE, Present).ignore();
  expect(recorder.seen).toEqual(['page ffff800000003000', 'all']);
  expect(() => ledger.assertSettled()).not.toThrow();
});

test('a forgotten promise is named with its page and the call that made it', () => {
  const ledger = table.attach(recorder);
  table.size4KiB.updateFlags(PAGE, Present).flush();
  table.size4KiB.unmap(PAGE);
  expect(() => ledger.assertSettled()).toThrow(/unmap of 0xffff800000003000/);
  expect(ledger.open).toMatchObject([{ call: 'unmap', page: 0xffff_8000_0000_3000n }]);
});

test('leaving the scope of a promise that was neither flushed nor ignored is an error', () => {
  const kept = table.size4KiB.updateFlags(PAGE, Present);
  expect(() => kept[Symbol.dispose]()).toThrow(/updateFlags of 0xffff800000003000/);
  kept.flush();
  expect(() => kept[Symbol.dispose]()).not.toThrow();
  const all = table.size4KiB.setFlagsP4Entry(PAGE, Present);
  expect(() => all[Symbol.dispose]()).toThrow(/setFlagsP4Entry of all pages/);
});

test('without an attached TLB nothing is recorded, after detach nothing any more', () => {
  table.size4KiB.updateFlags(PAGE, Present).flush();
  const ledger = table.attach(recorder);
  table.detach();
  table.size4KiB.updateFlags(PAGE, Present);
  expect(recorder.seen).toEqual([]);
  expect(ledger.open).toEqual([]);
});

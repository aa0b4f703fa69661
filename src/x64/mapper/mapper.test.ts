import { beforeEach, describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/error-of.ts';
import { BASE, frame, MappedTables, page } from '../../../test/support/mapped-tables.ts';
import type { FrameAllocator } from './frame-allocator.ts';
import { Page } from './page.ts';
import { Size1GiB, Size2MiB, Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';

const { Present, Writable, UserAccessible, NoExecute, HugePage, Dirty } = PageTableFlags;

let fixture: MappedTables;
beforeEach(() => {
  fixture = new MappedTables();
});

describe('mapTo', () => {
  test('a mapped page translates to its frame with the offset and the flags', () => {
    const { table, frames } = fixture;
    table.size4KiB
      .mapTo(page(Size4KiB, 0x8000_0000), frame(Size4KiB, 0xabc_d000), Present | Writable, frames)
      .ignore();
    expect(table.translate(0x8000_0123)).toEqual({
      kind: 'mapped',
      size: Size4KiB,
      frame: 0xabcd,
      offset: 0x123,
      flags: Present | Writable,
      effectiveFlags: Present | Writable,
    });
    expect(table.translateAddr(0x8000_0123)).toBe(0xabc_d123n);
    expect(table.translateAddr(0x8000_1000)).toBeUndefined();
  });

  test.each([Size2MiB, Size1GiB])(
    'a huge page needs fewer tables and covers all of its size: $name',
    (size) => {
      const { table, frames } = fixture;
      table[size === Size2MiB ? 'size2MiB' : 'size1GiB']
        .mapTo(page(size, 0x40_0000_0000) as never, frame(size, 0xc000_0000) as never, Present, frames)
        .ignore();
      expect(frames.given).toHaveLength(4 - size.level);
      expect(table.translateAddr(0x40_0000_0000 + size.bytes - 1)).toBe(
        0xc000_0000n + BigInt(size.bytes) - 1n,
      );
      expect(table.translateAddr(0x40_0000_0000 + size.bytes)).toBeUndefined();
    },
  );

  test('parents get WRITABLE and USER_ACCESSIBLE from the leaf, and never NO_EXECUTE', () => {
    const { table, frames } = fixture;
    const flags = Present | Writable | UserAccessible | NoExecute;
    table.size4KiB.mapTo(page(Size4KiB, 0), frame(Size4KiB, 0x5000), flags, frames).ignore();
    expect(fixture.memory.readEntry(BASE)).toBe(BigInt(BASE + 0x1000) | 0x7n);
    expect(table.translate(0)).toMatchObject({ flags, effectiveFlags: flags });
  });

  test('a page in use stays as it is: the error tells the frame asked for and the one that is mapped', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x5000), Present, frames).ignore();
    const before = fixture.bytes();
    const error = errorOf(() =>
      table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x9000), Present | Writable, frames),
    );
    expect(error.code).toBe('PageAlreadyMapped');
    expect(error.details).toEqual({ frame: 0x9000n, mappedFrame: 0x5000n });
    expect(fixture.isStill(before)).toBe(true);
  });

  test('a huge page above is not touched, though the original widens it', () => {
    const { table, frames } = fixture;
    table.size2MiB.mapTo(page(Size2MiB, 0), frame(Size2MiB, 0x20_0000), Present, frames).ignore();
    const map = (target: MappedTables) => () =>
      target.table.size4KiB.mapTo(
        page(Size4KiB, 0),
        frame(Size4KiB, 0x5000),
        Present | Writable,
        target.frames,
      );
    const before = fixture.bytes();
    expect(errorOf(map(fixture)).code).toBe('ParentEntryHugePage');
    expect(fixture.isStill(before)).toBe(true);

    const original = new MappedTables({ atomic: false });
    original.table.size2MiB
      .mapTo(page(Size2MiB, 0), frame(Size2MiB, 0x20_0000), Present, original.frames)
      .ignore();
    expect(errorOf(map(original)).code).toBe('ParentEntryHugePage');
    expect(original.table.translate(0)).toMatchObject({ flags: Present | Writable | HugePage });
  });

  test.each([0, 1, 2])('an allocator that runs dry after %i tables leaves nothing behind', (count) => {
    const { table, frames } = fixture;
    frames.remaining = count;
    const before = fixture.bytes();
    const error = errorOf(() => table.size4KiB.identityMap(frame(Size4KiB, 0x5000), Present, frames));
    expect(error.code).toBe('FrameAllocationFailed');
    expect(fixture.isStill(before)).toBe(true);
    expect(frames.given).toEqual([]);
    frames.remaining = 3;
    table.size4KiB.identityMap(frame(Size4KiB, 0x5000), Present, frames).ignore();
    expect(table.translateAddr(0x5000)).toBe(0x5000n);
  });

  test('a frame that already holds a table is refused', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0), frame(Size4KiB, 0x5000), Present, frames).ignore();
    const before = fixture.bytes();
    const inUse: FrameAllocator = { allocateFrame: () => frames.given[1] as PhysFrame<Size4KiB> };
    const error = errorOf(() =>
      table.size4KiB.mapTo(page(Size4KiB, 0x4000_0000), frame(Size4KiB, 0x5000), Present, inUse),
    );
    expect(error.code).toBe('FrameInUse');
    expect(fixture.isStill(before)).toBe(true);
  });

  test.each([
    ['flags without PRESENT', Writable, 'InvalidFlags'],
    ['HUGE_PAGE, which in a 4 KiB leaf is PAT', Present | HugePage, 'InvalidFlags'],
  ])('%s are refused by name and change nothing', (_, flags, code) => {
    const { table, frames } = fixture;
    const before = fixture.bytes();
    expect(errorOf(() => table.size4KiB.identityMap(frame(Size4KiB, 0x5000), flags, frames)).code).toBe(code);
    expect(fixture.isStill(before)).toBe(true);
    expect(frames.given).toEqual([]);
  });

  test('a frame beyond MAXPHYADDR is refused, the last one below it is not', () => {
    fixture = new MappedTables({ physicalAddressBits: 40 });
    const { table, frames } = fixture;
    const map = (address: number) =>
      table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, address), Present, frames);
    expect(errorOf(() => map(2 ** 40)).message).toContain('0x10000000000');
    map(2 ** 40 - 4096).ignore();
  });

  test('plain JavaScript cannot pass a page of the wrong size', () => {
    const { table, frames } = fixture;
    const small = page(Size4KiB, 0x1000) as unknown as Page<Size1GiB>;
    expect(errorOf(() => table.size1GiB.mapTo(small, frame(Size1GiB, 0), Present, frames)).code).toBe(
      'PageNotAligned',
    );
    const smallFrame = frame(Size4KiB, 0x1000) as unknown as PhysFrame<Size1GiB>;
    const call = () => table.size1GiB.mapTo(page(Size1GiB, 0), smallFrame, Present, frames);
    expect(errorOf(call).code).toBe('FrameNotAligned');
    expect(() => table.size4KiB.translatePage(1.5 as Page<Size4KiB>)).toThrow(RangeError);
  });
});

describe('unmap, updateFlags and the parents', () => {
  test('unmap gives the frame back and nothing is mapped afterwards', () => {
    const { table, frames } = fixture;
    table.size2MiB.mapTo(page(Size2MiB, 0x20_0000), frame(Size2MiB, 0x60_0000), Present, frames).ignore();
    const { frame: freed, flush } = table.size2MiB.unmap(page(Size2MiB, 0x20_0000));
    flush.ignore();
    expect(PhysFrame.startAddress(freed)).toBe(0x60_0000n);
    expect(table.translate(0x20_0000)).toEqual({ kind: 'not-mapped' });
    expect(errorOf(() => table.size2MiB.unmap(page(Size2MiB, 0x20_0000))).code).toBe('PageNotMapped');
  });

  test('PAT of a large page is bit 12 and no part of the frame', () => {
    const { table, frames, memory } = fixture;
    table.size2MiB.mapTo(page(Size2MiB, 0), frame(Size2MiB, 0x60_0000), Present, frames).ignore();
    const entry = BASE + 2 * 0x1000;
    memory.writeEntry(entry, (memory.readEntry(entry) ?? 0n) | 0x1000n);
    expect(table.size2MiB.translatePage(page(Size2MiB, 0))).toBe(0x600);
    expect(PhysFrame.startAddress(table.size2MiB.unmap(page(Size2MiB, 0)).frame)).toBe(0x60_0000n);
  });

  test('an entry without P is not mapped, whatever else it holds', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x5000), Present, frames).ignore();
    table.size4KiB.updateFlags(page(Size4KiB, 0x1000), Writable).ignore();
    expect(table.translate(0x1000)).toEqual({ kind: 'not-mapped' });
    expect(errorOf(() => table.size4KiB.translatePage(page(Size4KiB, 0x1000))).code).toBe('PageNotMapped');
    table.size4KiB.updateFlags(page(Size4KiB, 0x1000), Present | Dirty).ignore();
    expect(table.translate(0x1000)).toMatchObject({ kind: 'mapped', frame: 5, flags: Present | Dirty });
  });

  test('a restriction at level 3 wins over the leaf', () => {
    const { table, frames } = fixture;
    const all = Present | Writable | UserAccessible;
    table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x5000), all, frames).ignore();
    table.size4KiB.setFlagsP3Entry(page(Size4KiB, 0x1000), Present | NoExecute).ignore();
    expect(table.translate(0x1000)).toMatchObject({ flags: all, effectiveFlags: Present | NoExecute });
  });

  test('a huge page has no parent entry at its own level', () => {
    const { table, frames } = fixture;
    table.size1GiB.mapTo(page(Size1GiB, 0), frame(Size1GiB, 0), Present, frames).ignore();
    expect(errorOf(() => table.size1GiB.setFlagsP3Entry(page(Size1GiB, 0), Present)).code).toBe(
      'ParentEntryHugePage',
    );
    expect(errorOf(() => table.size4KiB.setFlagsP2Entry(page(Size4KiB, 0), Present)).code).toBe(
      'ParentEntryHugePage',
    );
    table.size1GiB.setFlagsP4Entry(page(Size1GiB, 0), Present).ignore();
  });

  test('an entry that leads to a table is no huge page', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0), frame(Size4KiB, 0x5000), Present, frames).ignore();
    const before = fixture.bytes();
    expect(errorOf(() => table.size2MiB.updateFlags(page(Size2MiB, 0), Present)).code).toBe('PageNotMapped');
    expect(errorOf(() => table.size2MiB.unmap(page(Size2MiB, 0))).code).toBe('ParentEntryHugePage');
    expect(fixture.isStill(before)).toBe(true);
  });
});

describe('cleanUp', () => {
  test('frees the tables that hold nothing, from the leaf up, and leaves the others', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x5000), Present, frames).ignore();
    table.size4KiB.mapTo(page(Size4KiB, 0x4000_0000), frame(Size4KiB, 0x6000), Present, frames).ignore();
    table.size4KiB.unmap(page(Size4KiB, 0x1000)).flush.ignore();
    const freed: number[] = [];
    table.cleanUp({ deallocateFrame: (free) => freed.push(free) });
    expect(freed).toEqual([frames.given[2], frames.given[1]]);
    expect(table.translateAddr(0x4000_0000)).toBe(0x6000n);
    freed.length = 0;
    table.cleanUp({ deallocateFrame: (free) => freed.push(free) });
    expect(freed).toEqual([]);
  });

  test('a range beside the empty table frees nothing', () => {
    const { table, frames } = fixture;
    table.size4KiB.mapTo(page(Size4KiB, 0x1000), frame(Size4KiB, 0x5000), Present, frames).ignore();
    table.size4KiB.unmap(page(Size4KiB, 0x1000)).flush.ignore();
    const freed: number[] = [];
    const range = (start: number, last: number) =>
      Page.rangeInclusive(Size4KiB, page(Size4KiB, start), page(Size4KiB, last));
    table.cleanUpAddrRange(range(0x20_0000, 0x40_0000), { deallocateFrame: (free) => freed.push(free) });
    // The PD and the PDPT are on the way and not empty: the page table below is out of range.
    expect(freed).toEqual([]);
    table.cleanUpAddrRange(range(0x1f_f000, 0x1f_f000), { deallocateFrame: (free) => freed.push(free) });
    expect(freed).toHaveLength(3);
  });
});

test('5-level tables translate addresses beyond 48 bits, 4-level ones refuse them', () => {
  const high = 0x00ab_8000_0000_0000n;
  expect(errorOf(() => fixture.table.translate(high)).code).toBe('VirtAddrNotValid');
  const { table, frames } = new MappedTables({ levels: 5 });
  const highPage = Page.fromStartAddress(Size4KiB, high, 57);
  table.size4KiB.mapTo(highPage, frame(Size4KiB, 0x5000), Present, frames).ignore();
  expect(table.translateAddr(high + 7n)).toBe(0x5007n);
});

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { PageTableError } from '../../errors.ts';
import { PhysicalMemory } from '../../memory/physical-memory.ts';
import type { FrameAllocator } from './frame-allocator.ts';
import { MappedPageTable } from './mapped-page-table.ts';
import type { MapperOptions } from './mapper-context.ts';
import { Page } from './page.ts';
import { type PageSize, Size1GiB, Size2MiB, Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';

const { Present, Writable, UserAccessible, NoExecute, HugePage, Dirty } = PageTableFlags;
const BASE = 0x10_0000;
const FRAMES = 64;

/** Tables in 64 frames from 1 MiB: the root first, then what the allocator gives. */
class Fixture {
  readonly memory = PhysicalMemory.allocate(BASE, FRAMES * 4096);
  readonly table: MappedPageTable;
  readonly frames = new CountingFrames(FRAMES - 1);

  constructor(options: MapperOptions = {}) {
    this.table = new MappedPageTable(this.memory, PhysFrame.fromStartAddress(Size4KiB, BASE), options);
  }

  /** A copy of all table memory. */
  bytes(): Buffer {
    const words = this.memory.ranges[0]?.words;
    return words === undefined ? Buffer.alloc(0) : Buffer.from(words.slice().buffer);
  }

  /** Whether no word of table memory has changed since. */
  isStill(before: Buffer): boolean {
    return this.bytes().equals(before);
  }
}

class CountingFrames implements FrameAllocator {
  remaining: number;
  readonly given: number[] = [];
  #next = BASE / 4096 + 1;
  readonly #back: number[] = [];

  constructor(remaining: number) {
    this.remaining = remaining;
  }

  allocateFrame(): PhysFrame<Size4KiB> | undefined {
    if (this.remaining === 0) return undefined;
    this.remaining--;
    const frame = this.#back.pop() ?? this.#next++;
    this.given.push(frame);
    return frame as PhysFrame<Size4KiB>;
  }

  deallocateFrame(frame: PhysFrame<Size4KiB>): void {
    this.remaining++;
    this.given.splice(this.given.indexOf(frame), 1);
    this.#back.push(frame);
  }
}

const page = <S extends PageSize>(size: S, address: number | bigint) => Page.fromStartAddress(size, address);
const frame = <S extends PageSize>(size: S, address: number | bigint) =>
  PhysFrame.fromStartAddress(size, address);

/** What a call throws. */
function errorOf(call: () => unknown): PageTableError {
  try {
    call();
  } catch (error) {
    if (error instanceof PageTableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
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
    const map = (target: Fixture) => () =>
      target.table.size4KiB.mapTo(
        page(Size4KiB, 0),
        frame(Size4KiB, 0x5000),
        Present | Writable,
        target.frames,
      );
    const before = fixture.bytes();
    expect(errorOf(map(fixture)).code).toBe('ParentEntryHugePage');
    expect(fixture.isStill(before)).toBe(true);

    const original = new Fixture({ atomic: false });
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
    fixture = new Fixture({ physicalAddressBits: 40 });
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
  const { table, frames } = new Fixture({ levels: 5 });
  const highPage = Page.fromStartAddress(Size4KiB, high, 57);
  table.size4KiB.mapTo(highPage, frame(Size4KiB, 0x5000), Present, frames).ignore();
  expect(table.translateAddr(high + 7n)).toBe(0x5007n);
});

test('any sequence of calls leaves the tables as a plain map of pages says, and a failed one leaves them unchanged', () => {
  const call = fc.record({
    kind: fc.constantFrom('map', 'unmap', 'update'),
    page: fc.constantFrom(0, 1, 511, 512, 2 ** 27, 2 ** 35 - 1, 2 ** 52 - 2 ** 35, 2 ** 52 - 1),
    frame: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
    flags: fc.integer({ min: 0, max: 2 ** 24 - 1 }).map((bits) => bits & ~HugePage),
    budget: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const fixture = new Fixture();
      const { table, frames } = fixture;
      const model = new Map<number, { frame: number; flags: number }>();
      for (const { kind, page: number, frame: target, flags, budget } of calls) {
        const at = number as Page<Size4KiB>;
        const before = fixture.bytes();
        frames.remaining = budget;
        try {
          if (kind === 'map') {
            table.size4KiB.mapTo(at, target as PhysFrame<Size4KiB>, flags, frames).ignore();
            expect(model.has(number)).toBe(false);
            model.set(number, { frame: target, flags });
          } else if (kind === 'unmap') {
            expect(table.size4KiB.unmap(at).frame).toBe(model.get(number)?.frame);
            model.delete(number);
          } else {
            table.size4KiB.updateFlags(at, flags | Present).ignore();
            expect(model.has(number)).toBe(true);
            model.set(number, { frame: model.get(number)?.frame as number, flags: flags | Present });
          }
        } catch (error) {
          if (!(error instanceof PageTableError)) throw error;
          expect(fixture.isStill(before)).toBe(true);
        }
      }
      for (const number of [0, 1, 511, 512, 2 ** 27, 2 ** 35 - 1, 2 ** 52 - 2 ** 35, 2 ** 52 - 1]) {
        const result = table.translate(Page.startAddress(number as Page<Size4KiB>));
        const wanted = model.get(number);
        if (wanted === undefined) expect(result.kind).toBe('not-mapped');
        else expect(result).toMatchObject(wanted);
      }
    }),
    { numRuns: 200 },
  );
});

describe('4 KiB pages, which are found by a quick walk', () => {
  const lowerEnd = 2 ** 35;
  const goodPage = fc.oneof(
    fc.tuple(fc.constantFrom(0, 511, 512, 2 ** 18, lowerEnd - 2), fc.nat(1)).map(([a, b]) => a + b),
    fc.constantFrom(2 ** 52 - lowerEnd, 2 ** 52 - 1, 2 ** 52 - 512),
  );
  const badPage = fc.constantFrom(
    -1,
    0.5,
    Number.NaN,
    lowerEnd,
    2 ** 52 - lowerEnd - 1,
    2 ** 52,
    2 ** 36 - 1,
    1e300,
  );
  const call = fc.record({
    kind: fc.constantFrom('map', 'unmap', 'update', 'translate'),
    page: fc.oneof({ weight: 8, arbitrary: goodPage }, { weight: 1, arbitrary: badPage }),
    frame: fc.constantFrom(0, 1, 2 ** 20, 2 ** 40 - 1, 2 ** 40, 0.5, -1),
    flags: fc.constantFrom(
      Present,
      Present | Writable,
      Present | Writable | UserAccessible | NoExecute,
      Present | HugePage,
      Writable,
    ),
  });

  test('are mapped as by the general walk, whatever page, frame and flags are given', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        const quick = new Fixture();
        const plain = new Fixture();
        for (const { kind, page, frame, flags } of calls) {
          const [one, other] = [quick, plain].map(({ table, frames }) => {
            const at = page as Page<Size4KiB>;
            const to = frame as PhysFrame<Size4KiB>;
            const { size4KiB } = table;
            return outcomeOf(() => {
              if (kind === 'update') return size4KiB.updateFlags(at, flags).page;
              if (kind === 'unmap') return size4KiB.unmap(at).frame;
              if (kind === 'translate') return size4KiB.translatePage(at);
              // only mapTo takes the quick walk
              const parents = flags & (Present | Writable | UserAccessible);
              return table === quick.table
                ? size4KiB.mapTo(at, to, flags, frames).page
                : size4KiB.mapToWithTableFlags(at, to, flags, parents, frames).page;
            });
          });
          expect(one).toEqual(other);
          expect(quick.bytes().equals(plain.bytes())).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('translate alike from a number and a bigint', () => {
    const { table, frames } = new Fixture();
    const flags = Present | Writable | NoExecute;
    const to = frame(Size4KiB, 0xf_ffff_ffff_f000n);
    table.size4KiB.mapTo(page(Size4KiB, 0x7f_f000), to, Present, frames).ignore();
    table.size4KiB.mapTo(page(Size4KiB, 0x7f_e000), to, flags, frames).ignore();
    for (const address of [0x7f_efff, 0x7f_f123, 0x7f_d000, 0, 2 ** 47 - 1, 2 ** 47]) {
      expect(outcomeOf(() => table.translate(address))).toEqual(
        outcomeOf(() => table.translate(BigInt(address))),
      );
    }
    table.size4KiB.setFlagsP4Entry(page(Size4KiB, 0), Present | NoExecute).ignore();
    expect(table.translate(0x7f_f123)).toEqual(table.translate(0x7f_f123n));
  });
});

function outcomeOf<T>(act: () => T): T | string {
  try {
    return act();
  } catch (error) {
    return String(error);
  }
}

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { NO_ENTRY, PageWalk } from '../../memory/page-walk.ts';
import { PhysicalMemory } from '../../memory/physical-memory.ts';
import { TableMemory } from '../../memory/table-memory.ts';
import { EntryHigh, EntryLow } from '../entry-bits.ts';
import { LeafTables } from './leaf-tables.ts';

const TABLE = EntryLow.Present | EntryLow.PageSize;
const FRAMES = 16;
const NO_EXECUTE = 1n << 63n;

/** Tables in 16 frames: the root in the first; nothing is mapped. */
class Tables {
  readonly memory = new PhysicalMemory();
  readonly leaves: LeafTables;
  /** The plain walk through the same tables. */
  readonly plain: PageWalk;
  readonly first: number;

  constructor(first: number, levels: 4 | 5 = 4, byteOffset = 0) {
    this.first = first;
    this.memory.addRange(first * 4096, new ArrayBuffer(FRAMES * 4096 + byteOffset), byteOffset);
    const tables = new TableMemory(this.memory);
    const place = { tables, rootFrame: first, levels, frameOffset: 0 };
    const walk = () =>
      new PageWalk({
        ...place,
        upperMask: TABLE,
        upperValue: EntryLow.Present,
        tableMask: TABLE,
        tableValue: EntryLow.Present,
        addressHigh: EntryHigh.Address,
      });
    this.leaves = new LeafTables({ ...place, walk: walk() });
    this.plain = walk();
  }

  /** Writes an entry as an outsider does. */
  write(table: number, index: number, value: bigint): void {
    this.memory.writeEntry((this.first + table) * 4096 + index * 8, value);
  }

  /** An entry that leads to one of the tables. */
  to(table: number, flags = 3n): bigint {
    return (BigInt(this.first + table) << 12n) | flags;
  }

  /** What is found of a page: which entry in which table, and what the path to it allows. */
  found(page: number): object | undefined {
    return seen(this.leaves, this.leaves.entryOfPage(page));
  }

  foundAt(address: number): object | undefined {
    return seen(this.leaves, this.leaves.entryOfAddress(address));
  }

  /** The same by the plain walk. */
  expected(page: number): object | undefined {
    const upper = Math.floor(page / 2 ** 18) % 2 ** 27;
    return seen(this.plain, this.plain.find(upper, page % 2 ** 18));
  }
}

function seen(
  { words, commonLow, anyHigh }: { words: Uint32Array; commonLow: number; anyHigh: number },
  at: number,
): object | undefined {
  if (at === NO_ENTRY) return undefined;
  return { at: words.byteOffset + at * 4, commonLow: commonLow & 6, anyHigh: anyHigh >>> 31 };
}

let tables: Tables;
/** Page 0 by tables 1 to 3, page 512 by table 4. */
beforeEach(() => {
  tables = new Tables(0x10_0000);
  tables.write(0, 0, tables.to(1, 7n));
  tables.write(1, 0, tables.to(2, 7n));
  tables.write(2, 0, tables.to(3, 7n));
  tables.write(2, 1, tables.to(4, 3n));
  for (let call = 0; call < 3; call++) tables.found(5);
});

describe('a path that is remembered', () => {
  const path = [0, 1, 2].map((table) => [table]);

  test('leads to the entries of its table, by page and by address', () => {
    expect(tables.found(0)).toEqual({ at: 3 * 4096, commonLow: 6, anyHigh: 0 });
    expect(tables.found(511)).toEqual({ at: 3 * 4096 + 511 * 8, commonLow: 6, anyHigh: 0 });
    expect(tables.foundAt(0x1f_ffff)).toEqual(tables.found(511));
    expect(tables.foundAt(0x20_0000)).toEqual({ at: 4 * 4096, commonLow: 2, anyHigh: 0 });
  });

  test.each(path)('is left when its entry in table %i is cleared', (table) => {
    tables.write(table, 0, 0n);
    expect(tables.found(5)).toBeUndefined();
    expect(tables.foundAt(0x5000)).toBeUndefined();
  });

  test.each(path)('is left when the entry in table %i leads elsewhere', (table) => {
    tables.write(table, 0, tables.to(9));
    expect(tables.found(5)).toEqual(tables.expected(5));
    expect(tables.found(5)).not.toMatchObject({ at: 3 * 4096 + 40 });
  });

  test.each(path)('shows what the entry in table %i forbids now', (table) => {
    tables.write(table, 0, tables.to(table + 1, 5n) | NO_EXECUTE);
    for (let call = 0; call < 3; call++) {
      expect(tables.found(5)).toEqual({ at: 3 * 4096 + 40, commonLow: 4, anyHigh: 1 });
    }
  });

  test('does not hold for pages around its table', () => {
    for (const page of [-1, 512, 2 ** 27, 2 ** 36, 2 ** 52, 2 ** 52 + 5, 0.5, 5.5, Number.NaN]) {
      expect(tables.found(page)).toEqual(page === 512 ? tables.expected(512) : undefined);
      tables.found(5);
      tables.found(5);
    }
  });

  test('does not serve addresses that are no page numbers', () => {
    for (const address of [-1, 20480.5, 2 ** 47, 2 ** 64, Number.NaN]) {
      expect(tables.foundAt(address)).toBeUndefined();
      tables.found(5);
      tables.found(5);
    }
  });
});

test('pages of the upper half are found by page number only: as a number their address is not exact', () => {
  tables.write(0, 511, tables.to(1));
  const page = 2 ** 52 - 2 ** 27;
  for (let call = 0; call < 4; call++) {
    expect(tables.found(page + 5)).toEqual({ at: 3 * 4096 + 40, commonLow: 2, anyHigh: 0 });
    expect(tables.foundAt(page * 4096)).toBeUndefined();
    tables.found(page);
  }
  expect(tables.found(2 ** 35)).toBeUndefined();
});

const EVERYWHERE = fc.constantFrom(
  0,
  1,
  511,
  512,
  2 ** 18,
  2 ** 27,
  2 ** 35 - 1,
  2 ** 52 - 1,
  2 ** 52 - 2 ** 35,
);
const step = fc.record({
  page: EVERYWHERE,
  calls: fc.nat(3),
  table: fc.nat(7),
  index: fc.constantFrom(0, 1, 255, 256, 511),
  target: fc.oneof(
    { weight: 6, arbitrary: fc.nat(7) },
    { weight: 1, arbitrary: fc.integer({ min: -2, max: 40 }) },
  ),
  flags: fc.constantFrom(0n, 1n, 3n, 7n, 0x81n, 7n | NO_EXECUTE, 0xfff0_0000_0000_0003n),
});

test.each([
  ['four levels', 4, 0x10_0000, 0],
  ['four levels beyond 4 GiB', 4, 0x30_0000, 0],
  ['four levels in memory that is not aligned to entries', 4, 0x10_0000, 4],
  ['five levels', 5, 0x10_0000, 0],
] as const)(
  '%s: whatever is written between calls, the plain walk is followed',
  (_, levels, first, byteOffset) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tables = new Tables(first, levels, byteOffset);
        for (let table = 0; table < 7; table++) {
          for (const index of [0, 1, 511]) tables.write(table, index, tables.to(table + 1));
        }
        for (const { page, calls, table, index, target, flags } of steps) {
          for (let call = 0; call <= calls; call++)
            expect(outcome(() => tables.found(page))).toEqual(outcome(() => tables.expected(page)));
          tables.write(table, index, tables.to(target, flags));
        }
      }),
      { numRuns: 300 },
    );
  },
);

function outcome<T>(act: () => T): T | string {
  try {
    return act();
  } catch (error) {
    return String(error);
  }
}

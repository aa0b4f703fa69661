import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf, newX64, TABLES_BASE, tableMemory } from '../../test/support/page-tables.ts';
import { MemoryAttributes } from '../memory-attributes.ts';
import { PagingType } from '../patina/paging-type.ts';
import { X64PageTable } from '../x64/x64-page-table.ts';
import { PhysicalMemory } from './physical-memory.ts';

const { None, ReadOnly } = MemoryAttributes;
const PAGE = 4096;

/** Entries on the path to page 0 of tables that have mapped only that: tables in order of their frames. */
const PATHS = [
  [PagingType.Paging4Level, [0, 4, 5]],
  [PagingType.Paging5Level, [0, 5, 6, 7]],
] as const;

describe.each(PATHS)('a path walked before in %s tables', (pagingType, path) => {
  function remembered() {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator, pagingType });
    for (let call = 0; call < 4; call++) table.mapMemoryRegion(0, PAGE, None);
    return { memory, table };
  }

  test.each(path.map((frame, step) => [step, frame]))(
    'is left when entry %i of it is cleared',
    (_, frame) => {
      const { memory, table } = remembered();
      memory.writeEntry(TABLES_BASE + frame * PAGE, 0n);
      expect(codeOf(() => table.queryMemoryRegion(0, PAGE))).toBe('NoMapping');
    },
  );

  test.each(path.map((frame, step) => [step, frame]))('shows what entry %i of it forbids now', (_, frame) => {
    const { memory, table } = remembered();
    const at = TABLES_BASE + frame * PAGE;
    memory.writeEntry(at, (memory.readEntry(at) ?? 0n) & ~2n);
    expect(table.queryMemoryRegion(0, PAGE)).toBe(ReadOnly);
  });

  test('holds while nothing changes, for other pages of the table too', () => {
    const { table } = remembered();
    table.mapMemoryRegion(PAGE, PAGE, ReadOnly);
    table.unmapMemoryRegion(0, PAGE);
    expect(codeOf(() => table.queryMemoryRegion(0, PAGE))).toBe('NoMapping');
    expect(table.queryMemoryRegion(PAGE, PAGE)).toBe(ReadOnly);
  });
});

describe('single pages', () => {
  test('are found when every table lies in another range of memory', () => {
    const memory = new PhysicalMemory();
    const frames = Array.from({ length: 32 }, (_, index) => 0x7_0000_0000 + (31 - index) * 0x1_0000);
    for (const frame of frames) memory.addRange(frame, new ArrayBuffer(PAGE));
    const table = X64PageTable.create({ memory, allocator: { allocatePage: () => frames.pop() } });
    for (let round = 0; round < 4; round++) {
      for (const address of [0, 0x20_0000, 0x4000_0000]) {
        table.mapMemoryRegion(address, PAGE, round % 2 === 0 ? None : ReadOnly);
        expect(table.queryMemoryRegion(address, PAGE)).toBe(round % 2 === 0 ? None : ReadOnly);
      }
    }
  });

  test('are mapped, queried and unmapped as pages of a longer range are', () => {
    const page = fc.tuple(fc.constantFrom(0, 511, 512, 2 ** 18, 2 ** 27), fc.nat(2)).map(([a, b]) => a + b);
    const call = fc.record({
      page,
      kind: fc.constantFrom('map', 'protect', 'unmap', 'block'),
      again: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 20 }), (calls) => {
        const quick = newX64(tableMemory(128));
        const plain = newX64(tableMemory(128));
        for (const { page, kind, again } of calls) {
          const address = page * PAGE;
          for (let time = 0; time <= again; time++) {
            // bigint addresses take the general way
            for (const [table, at] of [
              [quick, address],
              [plain, BigInt(address)],
            ] as const) {
              if (kind === 'unmap') table.unmapMemoryRegion(at, PAGE);
              else if (kind === 'block') table.mapMemoryRegion(at, 513 * PAGE, None);
              else table.mapMemoryRegion(at, PAGE, kind === 'map' ? None : ReadOnly);
            }
            const [one, other] = [
              () => quick.queryMemoryRegion(address, PAGE),
              () => plain.queryMemoryRegion(BigInt(address), PAGE),
            ];
            expect(codeOf(one)).toBe(codeOf(other));
            if (codeOf(one) === undefined) expect(one()).toBe(other());
          }
        }
        expect([...quick.mappedRegions()]).toEqual([...plain.mappedRegions()]);
      }),
      { numRuns: 100 },
    );
  });
});

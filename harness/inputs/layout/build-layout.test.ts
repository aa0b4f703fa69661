import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOfPage } from '../../../src/addresses.ts';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import { createWalker } from '../../../src/walker.ts';
import { queryOf } from '../query.ts';
import { buildLayout } from './build-layout.ts';
import type { Layout, LayoutRegion } from './layout.ts';
import { readLayout } from './read-layout.ts';
import { tableFrames } from './table-frames.ts';

const MODES = [
  'architecture: x64\npaging: 4-level',
  'architecture: x64\npaging: 5-level',
  'architecture: aarch64\nregime: el2',
  'architecture: aarch64\nregime: el1',
];

function layoutOf(mode: string, regions: readonly string[]): Layout {
  return readLayout(
    'layout.yaml',
    `${mode}\nregions:\n${regions.map((text) => `  - {${text}}\n`).join('')}${regions.length === 0 ? '  []' : ''}`,
  );
}

/** The pages that leaves map, as runs with their first frame, without the engine's own. */
function mappedRuns(layout: Layout): { firstPage: number; pageCount: number; firstFrame: number }[] {
  const { memory, registers, upkeep } = buildLayout(layout);
  const leaves = createWalker(memory, registers).leaves();
  const own = upkeep[0]?.firstPage ?? Number.POSITIVE_INFINITY;
  const runs: { firstPage: number; pageCount: number; firstFrame: number }[] = [];
  for (let index = 0; index < leaves.length; index++) {
    const [firstPage, pageCount, firstFrame] = [leaves.pageNumber, leaves.pageCount, leaves.frame].map(
      (column) => column[index] as number,
    ) as [number, number, number];
    const last = runs.at(-1);
    if (firstPage >= own) break;
    if (last?.firstPage === firstPage - (last?.pageCount ?? 0)) last.pageCount += pageCount;
    else runs.push({ firstPage, pageCount, firstFrame });
  }
  return runs;
}

describe.each(MODES)('the tables of a layout, %j', (mode) => {
  test('map each region to itself, and nothing else but the self-map', () => {
    const layout = layoutOf(mode, [
      'name: pages, base: 0x1000, size: 0x5000',
      'name: mixed, base: 0x3ff000, size: 0x40202000',
      'name: large, base: 8G, size: 2G, attributes: [read-only]',
    ]);
    expect(mappedRuns(layout)).toEqual(
      layout.regions.map(({ firstPage, pageCount }) => ({ firstPage, pageCount, firstFrame: firstPage })),
    );
  });

  test('map nothing for a layout without regions', () => {
    expect(mappedRuns(layoutOf(mode, []))).toEqual([]);
  });

  test('answer queries with the declared access attributes, and with nothing in gaps', () => {
    const layout = layoutOf(mode, [
      'name: code, base: 1M, size: 1M, attributes: [read-only]',
      'name: data, base: 2M, size: 1M, attributes: [execute-protect]',
    ]);
    const query = queryOf(buildLayout(layout).pageTable);
    const cache = layout.architecture === 'x64' ? 0 : MemoryAttributes.Writeback;
    expect(query(0x10_0000)).toEqual({ attributes: MemoryAttributes.ReadOnly | cache });
    expect(query(0x2f_f000)).toEqual({ attributes: MemoryAttributes.ExecuteProtect | cache });
    expect(query(0xf_f000)).toBeUndefined();
    expect(query(0x30_0000)).toBeUndefined();
  });

  test('need no more frames than were reckoned, and leave no frame unused', () => {
    const levels = mode.includes('5-level') ? 5 : 4;
    const anyPage = fc.oneof(
      fc.nat({ max: 2 ** 20 }),
      fc.nat({ max: 2 ** 25 }).map((page) => page * 512),
    );
    const anySize = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2 ** 19 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyPage, anySize), { maxLength: 8 }), (wanted) => {
        const regions = withoutOverlaps(wanted);
        const layout = layoutOf(
          mode,
          regions.map(([page, pages]) => `name: r, base: ${addressOfPage(page)}, size: ${pages * 4096}`),
        );
        const { memory, registers } = buildLayout(layout);
        const reckoned = tableFrames(layout.regions, levels);
        const used = memory.ranges[0]?.frameCount ?? 0;
        expect(used).toBeLessThanOrEqual(reckoned);
        expect(reckoned - used).toBeLessThanOrEqual(regions.length + 4);
        expect(registers.architecture === 'x64' ? registers.cr3 : registers.ttbr0).toBe(
          addressOfPage(memory.ranges[0]?.firstFrame ?? 0),
        );
      }),
      { numRuns: 30 },
    );
  });
});

function withoutOverlaps(wanted: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  let end = 0;
  return [...wanted]
    .sort(([a], [b]) => a - b)
    .flatMap(([page, pages]) => {
      if (page < end) return [];
      end = page + pages;
      return [[page, pages] as const];
    });
}

describe('the place of the tables', () => {
  const frameOf = (regions: readonly string[]) =>
    buildLayout(layoutOf(MODES[0] as string, regions)).memory.ranges[0]?.firstFrame;

  test('is 2 MiB, or the first room behind the regions that are there', () => {
    expect(frameOf(['name: a, base: 1M, size: 1M'])).toBe(0x200);
    expect(frameOf(['name: a, base: 1M, size: 2M'])).toBe(0x300);
    expect(frameOf(['name: a, base: 2M, size: 4K', 'name: b, base: 0x202000, size: 2M'])).toBe(0x402);
  });

  test('is 2 MiB, inside a region, where there is no room below 1 GiB', () => {
    expect(frameOf(['name: a, base: 0, size: 4G'])).toBe(0x200);
  });
});

describe('the registers of a layout', () => {
  const registersOf = (mode: string, region: string) => buildLayout(layoutOf(mode, [region])).registers;
  const low = 'name: a, base: 1M, size: 4K';

  test('switch paging, write protection and the execute-disable bit on', () => {
    expect(registersOf(MODES[0] as string, low)).toMatchObject({
      architecture: 'x64',
      cr4: 0x20n,
      efer: 0xd00n,
    });
    const { cr0 } = registersOf(MODES[1] as string, low) as { cr0: bigint };
    expect(cr0 & 0x8001_0001n).toBe(0x8001_0001n);
    expect(registersOf(MODES[1] as string, low)).toMatchObject({ cr4: 0x1020n });
    expect(registersOf(MODES[2] as string, low)).toMatchObject({ exceptionLevel: 2 });
    expect(registersOf(MODES[3] as string, low)).toMatchObject({ exceptionLevel: 1 });
  });

  test('ask for 40 bits of physical address, or for what the highest region needs', () => {
    expect(registersOf(MODES[0] as string, low)).toMatchObject({ physicalAddressBits: 40 });
    expect(registersOf(MODES[0] as string, 'name: a, base: 1023G, size: 1G')).toMatchObject({
      physicalAddressBits: 40,
    });
    expect(registersOf(MODES[0] as string, 'name: a, base: 1T, size: 4K')).toMatchObject({
      physicalAddressBits: 41,
    });
    expect(registersOf(MODES[2] as string, 'name: a, base: 1T, size: 4K')).toMatchObject({
      physicalAddressBits: 42,
    });
    expect(registersOf(MODES[2] as string, 'name: a, base: 0xfe0000000000, size: 4K')).toMatchObject({
      physicalAddressBits: 48,
    });
  });
});

describe('tables without a self-map are made', () => {
  const [, , EL2, EL1] = MODES as [string, string, string, string];
  const upkeepOf = (mode: string, region: string) => buildLayout(layoutOf(mode, [region])).upkeep;

  test('where a region lies in the place of the self-map', () => {
    expect(upkeepOf(EL2, 'name: a, base: 0xfefffffff000, size: 4K')).toHaveLength(1);
    expect(upkeepOf(EL2, 'name: a, base: 0xfefffffff000, size: 8K')).toEqual([]);
  });

  test('where EL0 is to be kept from executing what EL1 executes', () => {
    expect(upkeepOf(EL1, 'name: a, base: 1M, size: 4K, attributes: [supervisor]')).toEqual([]);
    expect(
      upkeepOf(EL1, 'name: a, base: 1M, size: 4K, attributes: [supervisor, execute-protect]'),
    ).toHaveLength(1);
    expect(upkeepOf(EL2, 'name: a, base: 1M, size: 4K, attributes: [supervisor]')).toHaveLength(1);
  });
});

describe('a layout that the engine cannot build is refused', () => {
  test('where it needs more than 1 GiB of tables', () => {
    const all: LayoutRegion = {
      name: 'all',
      base: 0n,
      size: 1n << 52n,
      firstPage: 0,
      pageCount: 2 ** 46,
      firstFrame: 0,
      attributes: 0,
      place: { line: 1, column: 1 },
    };
    const layout: Layout = { architecture: 'x64', paging: '5-level', regions: [all] };
    expect(() => buildLayout(layout)).toThrow(/^layout: needs \d+ page tables; at most 262144 are built/);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOfPage, hex } from '../../../src/addresses.ts';
import { createWalker } from '../../../src/walker.ts';
import { statementText } from '../../expectation-text.ts';
import { queryOf } from '../query.ts';
import { aarch64Frames } from './aarch64-frames.ts';
import { buildLayout } from './build-layout.ts';
import type { AArch64Layout } from './layout.ts';
import { readLayout } from './read-layout.ts';

function layoutOf(head: string, regions: readonly string[]): AArch64Layout {
  const items = regions.map((text) => `  - {${text}}\n`).join('') || '  []';
  return readLayout('f', `architecture: aarch64\n${head}\nregions:\n${items}`) as AArch64Layout;
}

interface Leaf {
  readonly page: number;
  readonly pages: number;
  readonly frame: number;
  readonly entry: bigint;
}

function leavesOf(layout: AArch64Layout): Leaf[] {
  const { memory, registers } = buildLayout(layout);
  const { length, pageNumber, pageCount, frame, entryAddress } = createWalker(memory, registers).leaves();
  return Array.from({ length }, (_, at) => ({
    page: pageNumber[at] as number,
    pages: pageCount[at] as number,
    frame: frame[at] as number,
    entry: memory.readEntry(entryAddress[at] as number) ?? 0n,
  }));
}

/** The leaf of a page at 0x7000 that is mapped to 0x123000, in hexadecimal. */
function leafOf(regime: string, keys: string): string {
  const layout = layoutOf(`regime: ${regime}`, [
    `name: r, base: 0x7000, size: 4K, physical: 0x123000, ${keys}`,
  ]);
  return hex(leavesOf(layout)[0]?.entry ?? 0n);
}

describe('a leaf says what its region declares', () => {
  const page = 0x12_3000n | 3n;
  const AF = 1n << 10n;
  const [Outer, Inner] = [2n << 8n, 3n << 8n];
  const index = (at: number) => BigInt(at) << 2n;
  const [User, NoWrite, NotGlobal] = [1n << 6n, 1n << 7n, 1n << 11n];
  const [PXN, UXN] = [1n << 53n, 1n << 54n];
  const [WriteBack, WriteThrough, NonCacheable] = [index(3), index(2), index(1)];

  test.each([
    ['attributes: [read-only]', WriteBack | Inner | NoWrite],
    ['attributes: [execute-protect]', WriteBack | Inner | PXN | UXN],
    ['attributes: [supervisor]', WriteBack | Inner | UXN],
    ['user: none', WriteBack | Inner | UXN],
    ['user: x, attributes: [execute-protect]', WriteBack | Inner | PXN],
    ['user: rx, attributes: [read-only, execute-protect]', WriteBack | Inner | User | NoWrite | PXN],
    ['user: r, attributes: [read-only]', WriteBack | Inner | User | NoWrite | UXN],
    ['user: rw, attributes: [execute-protect]', WriteBack | Inner | User | PXN | UXN],
    ['user: rwx, attributes: [execute-protect]', WriteBack | Inner | User | PXN],
    ['user: x, global: false', WriteBack | Inner | NotGlobal],
    ['user: x, global: true', WriteBack | Inner],
    ['user: x, share: none', WriteBack],
    ['user: x, share: outer, memoryType: normal-write-through', WriteThrough | Outer],
    ['user: x, memoryType: normal-non-cacheable', NonCacheable | Outer],
  ])('EL1&0 and EL2&0, %s', (keys, bits) => {
    for (const regime of ['el1', 'el2-vhe']) expect(leafOf(regime, keys)).toBe(hex(page | AF | bits));
  });

  test.each([
    ['attributes: [read-only]', WriteBack | Inner | NoWrite],
    ['attributes: [execute-protect]', WriteBack | Inner | UXN],
    ['memoryType: device-nGnRnE, attributes: [execute-protect]', index(0) | Outer | UXN],
    ['memoryType: device-nGnRE, attributes: [execute-protect]', index(4) | Outer | UXN],
    ['memoryType: device-nGRE, attributes: [execute-protect]', index(5) | Outer | UXN],
    ['memoryType: device-GRE, attributes: [execute-protect]', index(6) | Outer | UXN],
    ['share: outer', WriteBack | Outer],
  ])('EL2 and EL3, %s', (keys, bits) => {
    for (const regime of ['el2', 'el3']) expect(leafOf(regime, keys)).toBe(hex(page | AF | User | bits));
  });

  test.each([
    ['share: inner', 0b1111n, Inner | NoWrite],
    ['attributes: [read-only]', 0b1111n, Inner],
    ['attributes: [read-only, execute-protect]', 0b1111n, Inner | UXN],
    ['memoryType: normal-write-through, share: none', 0b1010n, NoWrite],
    ['memoryType: normal-non-cacheable', 0b0101n, Outer | NoWrite],
    ['memoryType: device-nGnRnE, attributes: [execute-protect]', 0b0000n, Outer | NoWrite | UXN],
    ['memoryType: device-nGnRE, attributes: [execute-protect]', 0b0001n, Outer | NoWrite | UXN],
    ['memoryType: device-nGRE, attributes: [execute-protect]', 0b0010n, Outer | NoWrite | UXN],
    ['memoryType: device-GRE, attributes: [execute-protect]', 0b0011n, Outer | NoWrite | UXN],
  ])('stage 2, where bit 6 allows reads and bit 7 writes, %s', (keys, memAttr, bits) => {
    expect(leafOf('stage2', keys)).toBe(hex(page | AF | User | (memAttr << 2n) | bits));
  });

  test.each([
    ['none', UXN],
    ['r', User | UXN],
    ['w', NoWrite | UXN],
    ['rw', User | NoWrite | UXN],
    ['x', 0n],
    ['rx', User],
    ['wx', NoWrite],
    ['rwx', User | NoWrite],
  ])('stage 2, guest: %s', (word, bits) => {
    expect(leafOf('stage2', `guest: ${word}`)).toBe(hex(page | AF | (0b1111n << 2n) | Inner | bits));
  });
});

describe('a query answers in the words of the layout', () => {
  const answer = (regime: string, keys: string) => {
    const layout = layoutOf(`regime: ${regime}`, [
      `name: r, base: 0x7000, size: 4K, physical: 0x123000, ${keys}`,
    ]);
    const query = queryOf(buildLayout(layout).pageTable);
    expect([query(0x6fff), query(0x8000), query(1n << 60n)]).toEqual([undefined, undefined, undefined]);
    return statementText(query(0x7123) ?? { attributes: -1 });
  };

  test.each([
    [
      'el1',
      'user: rx, attributes: [read-only, execute-protect]',
      'writeback, execute-protect, read-only, user rx, normal-write-back, share inner, global',
    ],
    [
      'el2-vhe',
      'user: none, global: false, share: outer',
      'writeback, supervisor, user none, normal-write-back, share outer, not global',
    ],
    [
      'el2',
      'memoryType: device-GRE, attributes: [execute-protect]',
      'uncached, execute-protect, device-GRE, share outer',
    ],
    ['el3', 'attributes: [read-only]', 'writeback, read-only, normal-write-back, share inner'],
    [
      'stage2',
      'memoryType: normal-write-through, share: none, attributes: [read-only]',
      'write-through, read-only, guest rx, normal-write-through, share none',
    ],
    ['stage2', 'guest: w', 'writeback, execute-protect, guest w, normal-write-back, share inner'],
  ])('%s, %s', (regime, keys, text) => {
    expect(answer(regime, keys)).toBe(text);
  });
});

test.each([
  ['4K', '4K', 1],
  ['4K', '2M', 512],
  ['4K', '1G', 512 * 512],
  ['16K', '16K', 4],
  ['16K', '32M', 8192],
  ['64K', '64K', 16],
  ['64K', '512M', 131_072],
])(
  'with the granule %s and pageSize %s no leaf maps more than %i pages of 4 KiB',
  (granule, pageSize, most) => {
    const region = `name: r, base: 0, size: 2G, physical: 2G, pageSize: ${pageSize}`;
    const leaves = leavesOf(layoutOf(`granule: ${granule}`, [region]));
    expect(new Set(leaves.map(({ pages }) => pages))).toEqual(new Set([most]));
    expect(leaves).toHaveLength(2 ** 19 / most);
  },
);

test('a region that is not mapped to an address of the same remainder is mapped by what fits', () => {
  const [first, ...others] = leavesOf(
    layoutOf('regime: el2', ['name: r, base: 2M, size: 4M, physical: 0x40001000']),
  );
  expect([first?.pages, others.length]).toEqual([1, 1023]);
});

test('a region is mapped by the largest pages and blocks that fit, wherever it begins', () => {
  const region = 'name: r, base: 2M, size: 3M, physical: 0x40000000';
  expect(leavesOf(layoutOf('regime: el2', [region])).map(({ pages }) => pages)).toEqual([
    512,
    ...Array.from({ length: 256 }, () => 1),
  ]);
});

describe('tables of any form', () => {
  const forms = fc
    .record({
      regime: fc.constantFrom('el1', 'el2', 'el2-vhe', 'el3', 'stage2'),
      granule: fc.constantFrom('4K', '16K', '64K'),
      vaBits: fc.integer({ min: 26, max: 47 }),
    })
    .map(({ regime, granule, vaBits }) => ({
      head: `regime: ${regime}\ngranule: ${granule}\nvaBits: ${vaBits}`,
      vaBits,
      pages: { '4K': 1, '16K': 4, '64K': 16 }[granule as '4K' | '16K' | '64K'],
      hasUpper: regime === 'el1' || regime === 'el2-vhe',
    }));
  const places = fc.array(
    fc.record({
      gap: fc.nat({ max: 600 }),
      size: fc.integer({ min: 1, max: 700 }),
      frame: fc.nat({ max: 2 ** 20 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

  test('map every region where it is declared, and nothing else, in no more frames than were reckoned', () => {
    fc.assert(
      fc.property(forms, places, fc.boolean(), ({ head, vaBits, pages, hasUpper }, wanted, upper) => {
        let next = hasUpper && upper ? 2 ** 52 - 2 ** (vaBits - 12) : 0;
        const end = next + 2 ** (vaBits - 12);
        const regions: string[] = [];
        const runs: { page: number; pages: number; frame: number }[] = [];
        for (const { gap, size, frame } of wanted) {
          const page = next + gap * pages;
          next = page + size * pages;
          if (next > end) break;
          runs.push({ page, pages: size * pages, frame: frame * pages });
          regions.push(
            `name: r, base: ${addressOfPage(page)}, size: ${size * pages * 4096}, physical: ${addressOfPage(frame * pages)}`,
          );
        }
        const layout = layoutOf(head, regions);
        for (const { page, pages: count, frame } of leavesOf(layout)) {
          const run = runs.find((each) => page >= each.page && page < each.page + each.pages);
          expect(frame - (run?.frame ?? Number.NaN)).toBe(page - (run?.page ?? Number.NaN));
          expect(page + count).toBeLessThanOrEqual((run?.page ?? 0) + (run?.pages ?? 0));
        }
        const mapped = leavesOf(layout).reduce((sum, leaf) => sum + leaf.pages, 0);
        expect(mapped).toBe(runs.reduce((sum, run) => sum + run.pages, 0));
        const { memory } = buildLayout(layout);
        expect(memory.ranges[0]?.frameCount).toBeLessThanOrEqual(aarch64Frames(layout).frames);
      }),
      { numRuns: 60 },
    );
  });

  test('lie at a multiple of the size of their root', () => {
    const root = (head: string) => {
      const region = 'name: r, base: 0, size: 2M, physical: 0x201000';
      const { registers } = buildLayout(
        layoutOf(head, [head.includes('64K') ? region.replace('201000', '210000') : region]),
      );
      return registers.architecture === 'aarch64' ? (registers.vttbr ?? registers.ttbr0) : 0n;
    };
    expect(root('regime: stage2\nvaBits: 43\nrootLevel: 1') % 0x1_0000n).toBe(0n);
    expect(root('regime: el3\ngranule: 64K') % 0x1_0000n).toBe(0n);
    expect(root('regime: el3') % 0x1000n).toBe(0n);
  });
});

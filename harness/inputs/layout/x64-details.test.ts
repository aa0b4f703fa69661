import { describe, expect, test } from 'vitest';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import { createWalker } from '../../../src/walker.ts';
import { InputError } from '../input-error.ts';
import { buildLayout } from './build-layout.ts';
import type { Layout } from './layout.ts';
import { readLayout } from './read-layout.ts';

const HIGH = '0xffffffff80000000';

function layoutOf(...regions: string[]): Layout {
  return readLayout(
    'test.yaml',
    `architecture: x64\nregions:\n${regions.map((region) => `  - { name: r, ${region} }\n`).join('')}`,
  );
}

function complaintsOf(region: string): string {
  try {
    layoutOf(region);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Leaves as [page, pages, frame, low 13 bits of the entry]. */
function leavesOf(layout: Layout): number[][] {
  const { memory, registers } = buildLayout(layout);
  const leaves = createWalker(memory, registers).leaves();
  return Array.from({ length: leaves.length }, (_, leaf) => [
    leaves.pageNumber[leaf] as number,
    leaves.pageCount[leaf] as number,
    leaves.frame[leaf] as number,
    Number((memory.readEntry(leaves.entryAddress[leaf] as number) ?? 0n) & 0xfffn),
  ]);
}

describe('physical', () => {
  test('a region of the upper half is mapped where it says', () => {
    const layout = layoutOf(`base: ${HIGH}, size: 8K, physical: 0x1234000`);
    const page = 2 ** 52 - 2 ** 19;
    expect(layout.regions).toMatchObject([{ firstPage: page, firstFrame: 0x1234, pageCount: 2 }]);
    expect(leavesOf(layout).map(([at, , frame]) => [at, frame])).toEqual([
      [page, 0x1234],
      [page + 1, 0x1235],
    ]);
  });

  test('without it the region is mapped to its own address, which the upper half has not', () => {
    expect(layoutOf('base: 1M, size: 4K').regions).toMatchObject([{ firstPage: 256, firstFrame: 256 }]);
    expect(complaintsOf(`base: ${HIGH}, size: 8K`)).toMatch(
      /test\.yaml:3:22.*"r".*no 52-bit physical address/,
    );
  });

  test.each([
    ['physical: 0x1234800', /physical 0x1234800 is not a multiple of 4096/],
    ['physical: 0xfffffffffffff000', /physical 0xfffffffffffff000.*no 52-bit/],
    ['physical: 0xffffffffff000, size: 8K', /0x10000000000fff is no 52-bit/],
  ])('%s is refused with its place', (keys, message) => {
    const size = keys.includes('size') ? '' : 'size: 4K, ';
    expect(complaintsOf(`base: 1M, ${size}${keys}`)).toMatch(message);
    expect(complaintsOf(`base: 1M, ${size}${keys}`)).toMatch(/test\.yaml:3:\d+/);
  });
});

describe('pages', () => {
  test('are as large as both addresses allow, and no larger than pageSize', () => {
    const sizes = (keys: string) => leavesOf(layoutOf(keys)).map(([, pages]) => pages);
    expect(sizes('base: 2M, size: 4M, physical: 6M')).toEqual([512, 512]);
    expect(sizes('base: 2M, size: 2M, physical: 5M')).toHaveLength(512);
    expect(sizes('base: 1G, size: 1G, physical: 3G')).toEqual([262_144]);
    expect(sizes('base: 1G, size: 1G, pageSize: 2M')).toHaveLength(512);
    expect(sizes('base: 2M, size: 2M, pageSize: 4K')).toHaveLength(512);
  });

  test('are global where that is declared, and CR4.PGE is set then', () => {
    const layout = layoutOf('base: 1M, size: 4K, global: true', 'base: 2M, size: 4K');
    expect(leavesOf(layout).map((leaf) => (leaf[3] as number) & 0x100)).toEqual([0x100, 0]);
    const cr4 = (of: Layout) => {
      const { registers } = buildLayout(of);
      return registers.architecture === 'x64' ? registers.cr4 & 0x80n : undefined;
    };
    expect(cr4(layout)).toBe(0x80n);
    expect(cr4(layoutOf('base: 1M, size: 4K, global: false'))).toBe(0n);
  });
});

describe('user', () => {
  test('false is the attribute supervisor, true the lack of it', () => {
    expect(layoutOf('base: 1M, size: 4K, user: false').regions[0]?.attributes).toBe(
      MemoryAttributes.Supervisor,
    );
    expect(layoutOf('base: 1M, size: 4K, user: true').regions[0]?.attributes).toBe(0);
  });

  test('true contradicts the attribute supervisor', () => {
    expect(complaintsOf('base: 1M, size: 4K, user: true, attributes: [supervisor]')).toMatch(
      /user contradicts supervisor/,
    );
    expect(complaintsOf('base: 1M, size: 4K, user: yes')).toMatch(/expected true or false, found "yes"/);
  });
});

describe('memoryType', () => {
  test.each([
    ['uncacheable', 0],
    ['write-combining', 1],
    ['write-through', 4],
    ['write-protected', 5],
    ['write-back', 6],
    ['uncached-minus', 7],
  ])('%s is what the walker finds through PAT, in a page of any size', (name, number) => {
    const { memory, registers } = buildLayout(
      layoutOf(
        `base: 1M, size: 4K, memoryType: ${name}`,
        `base: 2M, size: 2M, memoryType: ${name}`,
        `base: 1G, size: 1G, memoryType: ${name}`,
        'base: 3G, size: 4K',
      ),
    );
    const walker = createWalker(memory, registers);
    const types = [0x10_0000, 0x20_0000, 0x4000_0000, 0xc000_0000].map((address) => {
      const translation = walker.translate({ address, access: 0, privilege: 0 });
      return translation.kind === 'completes' ? translation.memoryType : undefined;
    });
    expect(types).toEqual([number, number, number, 6]);
  });

  test('contradicts a cache attribute', () => {
    expect(complaintsOf('base: 1M, size: 4K, memoryType: write-back, attributes: [uncached]')).toMatch(
      /memory type "write-back" and attribute "uncached"/,
    );
  });
});

test('the memory types of PAT are refused on aarch64', () => {
  expect(() =>
    readLayout(
      'test.yaml',
      'architecture: aarch64\nregions: [{ name: r, base: 0, size: 4K, memoryType: write-back }]',
    ),
  ).toThrow(/unknown memory type: "write-back".* expected device-nGnRnE/);
});

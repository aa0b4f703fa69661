import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import { createWalker } from '../../src/walker.ts';
import type { Layout } from './layout/layout.ts';
import { loadInput } from './load-input.ts';
import type { VerificationInput } from './types.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const CAPTURES = join(EXAMPLES, 'captures');
const layouts = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.yaml'));

/** Every leaf in ascending order. */
function leavesOf({
  memory,
  registers,
}: VerificationInput): { page: number; pages: number; frame: number }[] {
  const { pageNumber, pageCount, frame } = createWalker(memory, registers).leaves();
  return [...pageNumber].map((page, index) => ({
    page,
    pages: pageCount[index] as number,
    frame: frame[index] as number,
  }));
}

type Run = readonly [firstPage: number, pageCount: number];

/** Runs that touch made one. */
function joined(runs: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (const [firstPage, pageCount] of runs) {
    const last = result.at(-1);
    if (last !== undefined && last[0] + last[1] === firstPage) {
      result[result.length - 1] = [last[0], last[1] + pageCount];
    } else {
      result.push([firstPage, pageCount]);
    }
  }
  return result;
}

/** The pages that a layout declares present. */
function declaredRuns({ regions }: Layout): Run[] {
  const present = regions.filter(({ attributes }) => (attributes & MemoryAttributes.ReadProtect) === 0);
  return joined(present.map(({ firstPage, pageCount }) => [firstPage, pageCount]));
}

describe.each(layouts)('%s', (name) => {
  test('is built so that what it declares, and nothing else, is mapped to where it declares', async () => {
    const input = await loadInput(join(EXAMPLES, name));
    if (input.kind !== 'layout') throw new Error(`${name} is a ${input.kind}`);
    const isUpkeep = (page: number) =>
      input.upkeep.some(({ firstPage, pageCount }) => page >= firstPage && page < firstPage + pageCount);
    const mapped = leavesOf(input).filter(({ page }) => !isUpkeep(page));
    const elsewhere = mapped.filter(({ page, frame }) => {
      const region = input.layout.regions.findLast(({ firstPage }) => firstPage <= page);
      return region === undefined || frame - region.firstFrame !== page - region.firstPage;
    });
    expect(elsewhere).toEqual([]);
    expect(joined(mapped.map(({ page, pages }) => [page, pages]))).toEqual(declaredRuns(input.layout));
  });
});

test('the tables of uboot-aarch64-el1 map what its layout declares, and nothing else', async () => {
  const tables = join(CAPTURES, 'uboot-aarch64-el1.core.gz');
  const input = await loadInput(join(CAPTURES, 'uboot-aarch64-el1.yaml'), { tables });
  if (input.kind !== 'layout-against-capture') throw new Error(`it is a ${input.kind}`);
  expect(joined(leavesOf(input).map(({ page, pages }) => [page, pages]))).toEqual(declaredRuns(input.layout));
});

describe.each([
  { name: 'ovmf-x64', tables: 1028, leaves: { '4K': 512, '2M': 524_287 } },
  { name: 'linux-x64', tables: 95, leaves: { '4K': 4845, '2M': 273 } },
  { name: 'aavmf-aarch64-el1', tables: 16, leaves: { '4K': 5119, '2M': 655, '1G': 512 } },
  { name: 'uboot-aarch64-el1', tables: 5, leaves: { '2M': 640, '1G': 767 } },
])('the capture $name', ({ name, tables, leaves }) => {
  const path = join(CAPTURES, `${name}.core.gz`);
  const SIZES: Readonly<Record<number, string>> = { 1: '4K', 512: '2M', 262144: '1G' };

  test('holds the tables and the leaves that its README counts', async () => {
    const input = await loadInput(path);
    expect(input.memory.ranges.reduce((sum, { frameCount }) => sum + frameCount, 0)).toBe(tables);
    const counts: Record<string, number> = {};
    for (const { pages } of leavesOf(input)) {
      const size = SIZES[pages] ?? `${pages} pages`;
      counts[size] = (counts[size] ?? 0) + 1;
    }
    expect(counts).toEqual(leaves);
  });
});

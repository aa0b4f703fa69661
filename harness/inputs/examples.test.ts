import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import { createWalker } from '../../src/walker.ts';
import { loadInput } from './load-input.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const layouts = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.yaml'));

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

describe.each(layouts)('%s', (name) => {
  test('is built so that what it declares, and nothing else, is mapped to itself', async () => {
    const input = await loadInput(join(EXAMPLES, name));
    if (input.kind !== 'layout') throw new Error(`${name} is a ${input.kind}`);
    const { pageNumber, pageCount, frame } = createWalker(input.memory, input.registers).leaves();
    const own = input.upkeep[0]?.firstPage as number;
    const leaves = [...pageNumber].map((page, index): Run => [page, pageCount[index] as number]);
    const mapped = leaves.filter(([page]) => page < own);
    expect([...frame].slice(0, mapped.length)).toEqual(mapped.map(([page]) => page));

    const declared = input.layout.regions.filter(
      ({ attributes }) => (attributes & MemoryAttributes.ReadProtect) === 0,
    );
    expect(joined(mapped)).toEqual(joined(declared.map((region) => [region.firstPage, region.pageCount])));
  });
});

describe.each([
  { name: 'ovmf-x64', tables: 1028, leaves: { '4K': 512, '2M': 524_287 } },
  { name: 'linux-x64', tables: 95, leaves: { '4K': 4845, '2M': 273 } },
  { name: 'aavmf-aarch64-el1', tables: 16, leaves: { '4K': 5119, '2M': 655, '1G': 512 } },
  { name: 'uboot-aarch64-el1', tables: 5, leaves: { '2M': 640, '1G': 767 } },
])('the capture $name', ({ name, tables, leaves }) => {
  const SIZES: Readonly<Record<number, string>> = { 1: '4K', 512: '2M', 262144: '1G' };

  test('holds the tables and the leaves that its README counts', async () => {
    const input = await loadInput(join(EXAMPLES, 'captures', `${name}.core.gz`));
    expect(input.memory.ranges.reduce((sum, { frameCount }) => sum + frameCount, 0)).toBe(tables);
    const counts: Record<string, number> = {};
    for (const pages of createWalker(input.memory, input.registers).leaves().pageCount) {
      const size = SIZES[pages] ?? `${pages} pages`;
      counts[size] = (counts[size] ?? 0) + 1;
    }
    expect(counts).toEqual(leaves);
  });
});

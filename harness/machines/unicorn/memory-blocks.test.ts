import { describe, expect, test } from 'vitest';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { endOf, gapsBetween, isInExtent, planBlocks } from './memory-blocks.ts';

const MiB = 2 ** 20;

function memoryAt(...addresses: number[]): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (const address of addresses) memory.addRange(address, new ArrayBuffer(0x1000));
  return memory;
}

describe('the blocks of a guest’s memory', () => {
  test('few ranges are a block each, and so are the stub’s regions', () => {
    const region = { address: 2 * MiB, size: 4 * MiB };
    expect(planBlocks(memoryAt(MiB, 2 ** 40, 0x1000), [region])).toEqual([
      { address: 0x1000, size: 0x1000 },
      { address: MiB, size: 0x1000 },
      region,
      { address: 2 ** 40, size: 0x1000 },
    ]);
  });

  test('of many ranges those with the smallest gaps share a block, never across a region', () => {
    const scattered = Array.from({ length: 300 }, (_, index) => index * 0x3000);
    const region = { address: 300 * 0x3000, size: 2 * MiB };
    const behind = endOf(region);
    const blocks = planBlocks(memoryAt(...scattered, behind, 2 ** 35), [region]);
    expect(blocks).toEqual([
      { address: 0, size: 299 * 0x3000 + 0x1000 },
      region,
      { address: behind, size: 0x1000 },
      { address: 2 ** 35, size: 0x1000 },
    ]);
  });

  test('blocks and gaps together are everything below the end, once', () => {
    const memory = memoryAt(...Array.from({ length: 500 }, (_, index) => index * index * 0x2000));
    const blocks = planBlocks(memory, [{ address: 2 ** 36, size: 4 * MiB }]);
    expect(blocks.length).toBeLessThanOrEqual(96);
    const all = [...blocks, ...gapsBetween(blocks, 2 ** 40)].sort((a, b) => a.address - b.address);
    let end = 0;
    for (const extent of all) {
      expect(extent.address).toBe(end);
      end = endOf(extent);
    }
    expect(end).toBe(2 ** 40);
    for (const { firstFrame } of memory.ranges) {
      expect(blocks.some((block) => isInExtent(firstFrame * 0x1000, block))).toBe(true);
    }
  });

  test('memory up to the very end leaves no gap behind it', () => {
    expect(gapsBetween([{ address: 0, size: MiB }], MiB)).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { PhysicalMemory } from './physical-memory.ts';
import { TableMemory } from './table-memory.ts';

/** Frames 1–2 and 16. */
function sparse(): PhysicalMemory {
  const memory = new PhysicalMemory();
  memory.addRange(0x1_0000, new ArrayBuffer(0x1000));
  memory.addRange(0x1000, new SharedArrayBuffer(0x4000), 0x1000, 0x2000);
  return memory;
}

describe('PhysicalMemory', () => {
  test('keeps its ranges in ascending order and reads and writes entries in each', () => {
    const memory = sparse();
    expect(memory.ranges.map(({ firstFrame, frameCount }) => [firstFrame, frameCount])).toEqual([
      [1, 2],
      [16, 1],
    ]);
    expect(memory.writeEntry(0x2ff8, 0x8000_0000_0000_0001n)).toBe(true);
    expect(memory.readEntry(0x2ff8n)).toBe(0x8000_0000_0000_0001n);
    expect(memory.frameWords(2)?.[1023]).toBe(0x8000_0000);
  });

  test.each([0, 0x3000, 0xf000, 0x1_1000])('has nothing at %d', (address) => {
    const memory = sparse();
    expect(memory.readEntry(address)).toBeUndefined();
    expect(memory.writeEntry(address, 1n)).toBe(false);
    expect(memory.frameWords(address / 4096)).toBeUndefined();
  });

  test('does not hold a run of frames that leaves its range', () => {
    const memory = sparse();
    expect(memory.rangeHolding(1, 2)?.firstFrame).toBe(1);
    expect(memory.rangeHolding(2, 2)).toBeUndefined();
  });

  test.each([
    [0x2000, 0x1000],
    [0, 0x2000],
    [0xf000, 0x3000],
  ])('refuses a range at %d of %d bytes that overlaps another', (base, size) => {
    expect(() => sparse().addRange(base, new ArrayBuffer(size))).toThrow(/overlaps the range at/);
  });

  test('refuses ranges that are not whole frames or end beyond 2^64, and entries off their 8 bytes', () => {
    const memory = sparse();
    expect(() => memory.addRange(0x8_0800, new ArrayBuffer(0x1000))).toThrow(/whole 4 KiB frames/);
    expect(() => memory.addRange(0x8_0000, new ArrayBuffer(0x800))).toThrow(/whole 4 KiB frames/);
    expect(() => memory.addRange((1n << 64n) - 0x1000n, new ArrayBuffer(0x2000))).toThrow(/beyond 2\^64/);
    expect(() => memory.readEntry(0x1004)).toThrow(/not a multiple of 8/);
  });
});

describe('TableMemory', () => {
  test('finds tables in any range, back and forth', () => {
    const memory = sparse();
    memory.writeEntry(0x2000, 2n);
    memory.writeEntry(0x1_0000, 16n);
    const tables = new TableMemory(memory);
    const firstWords = [2, 16, 2, 16].map((frame) => {
      const at = tables.locate(frame);
      return tables.words[at];
    });
    expect(firstWords).toEqual([2, 16, 2, 16]);
  });

  test('finds tables in a range that was added later', () => {
    const memory = sparse();
    const tables = new TableMemory(memory);
    tables.locate(1);
    expect(() => tables.locate(32)).toThrow(/no memory holds a table at 0x20000/);
    memory.addRange(0x2_0000, new ArrayBuffer(0x1000));
    expect(tables.locate(32)).toBe(0);
  });

  test('finds tables behind the first 4 GiB of a range', () => {
    const memory = new PhysicalMemory();
    const beyond = 2 ** 20 + 1;
    memory.addRange(0x1000, new ArrayBuffer(beyond * 4096));
    memory.writeEntry(beyond * 4096, 7n);
    const tables = new TableMemory(memory);
    expect(tables.locate(1)).toBe(0);
    const at = tables.locate(beyond);
    expect(tables.words[at]).toBe(7);
  });

  test('finds the memory around a table up to the next 4 GiB boundary', () => {
    const memory = new PhysicalMemory();
    const boundary = 2 ** 20;
    memory.addRange((boundary - 2) * 4096, new ArrayBuffer(5 * 4096));
    memory.writeEntry(boundary * 4096, 7n);
    const tables = new TableMemory(memory);
    const below = tables.around(boundary - 1);
    expect([below.firstFrame, below.words.length]).toEqual([boundary - 2, 2 * 1024]);
    const above = tables.around(boundary + 1);
    expect([above.firstFrame, above.words.length, above.words[0]]).toEqual([boundary, 3 * 1024, 7]);
    expect(() => tables.around(boundary + 3)).toThrow(/no memory holds a table at 0x100003000/);
  });
});

import { describe, expect, test } from 'vitest';
import { FailingAllocator } from './failing-allocator.ts';
import { SequentialAllocator } from './sequential-allocator.ts';

describe('SequentialAllocator', () => {
  test('hands out the frames of its range in ascending order, then none', () => {
    const allocator = new SequentialAllocator(0x10_0000_0000n, 0x3000n);
    const pages = [1, 2, 3, 4].map(() => allocator.allocatePage());
    expect(pages).toEqual([0x10_0000_0000, 0x10_0000_1000, 0x10_0000_2000, undefined]);
    expect(allocator.allocatedPages).toBe(3);
  });

  test('takes frames back and hands out the lowest order again', () => {
    const allocator = new SequentialAllocator(0x1000, 0x3000);
    const pages = [1, 2, 3].map(() => allocator.allocatePage());
    for (const page of pages.reverse()) allocator.releasePage(page as number);
    expect(allocator.allocatedPages).toBe(0);
    expect(allocator.highWaterMark).toBe(0x1000n);
    expect(allocator.allocatePage()).toBe(0x1000);
  });

  test('uses a frame from the middle that came back before a new one', () => {
    const allocator = new SequentialAllocator(0x1000, 0x4000);
    for (let i = 0; i < 3; i++) allocator.allocatePage();
    allocator.releasePage(0x2000n);
    expect(allocator.allocatePage()).toBe(0x2000);
    expect(allocator.allocatePage()).toBe(0x4000);
  });

  test('gives several frames in a row, aligned, and what it leaves out to who needs single frames', () => {
    const allocator = new SequentialAllocator(0x3000, 0x2_0000);
    expect(allocator.allocatePage(0x4000, 0x4000)).toBe(0x4000);
    expect(allocator.allocatePage(0x8000, 0x8000)).toBe(0x8000);
    expect(allocator.allocatedPages).toBe(12);
    expect(allocator.allocatePage()).toBe(0x3000);
    expect(allocator.allocatePage(0x1_0000, 0x1_0000)).toBe(0x1_0000);
    expect(allocator.allocatePage(0x4000, 0x4000)).toBeUndefined();
  });

  test('takes several frames in a row back, for the same size or for none at all', () => {
    const allocator = new SequentialAllocator(0x3000, 0x4_0000);
    const [first, second] = [0x4000, 0x4000].map((size) => allocator.allocatePage(size, size) as number);
    allocator.releasePage(first as number, 0x4000);
    expect(() => allocator.releasePage(0x5000)).toThrow(/is not a frame/);
    expect(() => allocator.releasePage(first as number, 0x4000)).toThrow(/is not a frame/);
    expect(allocator.allocatePage(0x4000, 0x4000)).toBe(first);
    allocator.releasePage(first as number, 0x4000);
    allocator.releasePage(second as number, 0x4000);
    expect(allocator.allocatedPages).toBe(0);
    expect(allocator.highWaterMark).toBe(0x3000n);
  });

  test.each([0x1000, 0x3000, 0x5000, 0x2008, 0])(
    'refuses to take back %d, which it has not handed out',
    (page) => {
      const allocator = new SequentialAllocator(0x1000, 0x4000);
      for (let i = 0; i < 2; i++) allocator.allocatePage();
      allocator.releasePage(0x1000);
      expect(() => allocator.releasePage(page)).toThrow(/is not a frame that this allocator has handed out/);
    },
  );

  test('refuses ranges that are not made of frames or end beyond 52 bits', () => {
    expect(() => new SequentialAllocator(0x1001, 0x1000)).toThrow(RangeError);
    expect(() => new SequentialAllocator(0x1000, 0x800)).toThrow(RangeError);
    expect(() => new SequentialAllocator((1n << 52n) - 0x1000n, 0x2000)).toThrow(/beyond 2\^52/);
  });
});

describe('FailingAllocator', () => {
  test('lets through as many allocations as it was told', () => {
    const allocator = new FailingAllocator(new SequentialAllocator(0x1000, 0x8000), 2);
    const pages = [1, 2, 3].map(() => allocator.allocatePage(4096, 4096, false));
    expect(pages).toEqual([0x1000, 0x2000, undefined]);
  });

  test('counts a frame that comes back as not allocated', () => {
    const allocator = new FailingAllocator(new SequentialAllocator(0x1000, 0x8000), 1);
    allocator.releasePage(allocator.allocatePage(4096, 4096, false) ?? 0);
    expect(allocator.remaining).toBe(1);
    expect(allocator.allocatePage(4096, 4096, false)).toBe(0x1000);
  });
});

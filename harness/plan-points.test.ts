import { describe, expect, test } from 'vitest';
import {
  edgesOfRun,
  estimatePoints,
  firstSlot,
  fixedEdges,
  type LeafPages,
  lastSlot,
  offsetOfPoint,
  PAGES_OF_64_BITS,
  pageOfPoint,
  pointBatches,
} from './plan-points.ts';

function leavesOf(...runs: readonly (readonly [page: number, count: number])[]): LeafPages {
  return {
    length: runs.length,
    pageNumber: Float64Array.from(runs, ([page]) => page),
    pageCount: Float64Array.from(runs, ([, count]) => count),
  };
}

const points = (batches: Iterable<Float64Array>): number[] => [...batches].flatMap((batch) => [...batch]);

describe('a point', () => {
  test.each([0, 5, PAGES_OF_64_BITS - 1])('names the first and the last slot of page %d exactly', (page) => {
    expect([pageOfPoint(firstSlot(page)), offsetOfPoint(firstSlot(page))]).toEqual([page, 0]);
    expect([pageOfPoint(lastSlot(page)), offsetOfPoint(lastSlot(page))]).toEqual([page, 0xff0]);
  });
});

describe('the edges of a run', () => {
  test('are its first and last slot and the neighbours outside', () => {
    expect(edgesOfRun({ firstPage: 4, pageCount: 2 }).sort((a, b) => a - b)).toEqual([
      lastSlot(3),
      firstSlot(4),
      lastSlot(5),
      firstSlot(6),
    ]);
  });

  test('stay inside the 64-bit address space', () => {
    expect(edgesOfRun({ firstPage: 0, pageCount: PAGES_OF_64_BITS })).toEqual([
      firstSlot(0),
      lastSlot(PAGES_OF_64_BITS - 1),
    ]);
  });
});

describe('fixed edges', () => {
  const low = { firstPage: 0, pageCount: 2 ** 35 };
  const high = { firstPage: PAGES_OF_64_BITS - 2 ** 35, pageCount: 2 ** 35 };

  test('hold both ends of the address space and both sides of the non-canonical hole', () => {
    expect([...fixedEdges([low, high], [])]).toEqual([
      firstSlot(0),
      lastSlot(2 ** 35 - 1),
      firstSlot(2 ** 35),
      lastSlot(high.firstPage - 1),
      firstSlot(high.firstPage),
      lastSlot(PAGES_OF_64_BITS - 1),
    ]);
  });

  test('hold the edges of a declared run', () => {
    expect([...fixedEdges([], [{ firstPage: 7, pageCount: 1 }])]).toEqual([
      firstSlot(0),
      lastSlot(6),
      firstSlot(7),
      lastSlot(7),
      firstSlot(8),
      lastSlot(PAGES_OF_64_BITS - 1),
    ]);
  });
});

describe('the points of leaves', () => {
  const none = new Float64Array();
  const leaves = leavesOf([2, 3], [5, 1], [8, 1]);
  const runs = [lastSlot(1), firstSlot(2), lastSlot(5), firstSlot(6), lastSlot(7)];
  const tail = [firstSlot(8), lastSlot(8), firstSlot(9)];

  test('at coverage edges are both sides of the edges of each run', () => {
    expect(points(pointBatches({ leaves, coverage: 'edges' }, none, 100))).toEqual([...runs, ...tail]);
  });

  test('part leaves that touch at a seam', () => {
    const isSeam = (index: number) => index === 1;
    expect(points(pointBatches({ leaves, coverage: 'edges', isSeam }, none, 100))).toEqual([
      lastSlot(1),
      firstSlot(2),
      lastSlot(4),
      firstSlot(5),
      lastSlot(5),
      firstSlot(6),
      lastSlot(7),
      ...tail,
    ]);
  });

  test('at coverage leaves add the first slot of every leaf', () => {
    expect(points(pointBatches({ leaves, coverage: 'leaves' }, none, 100))).toEqual([
      lastSlot(1),
      firstSlot(2),
      firstSlot(5),
      lastSlot(5),
      firstSlot(6),
      lastSlot(7),
      ...tail,
    ]);
  });

  test('at coverage pages add the first slot of every page', () => {
    expect(points(pointBatches({ leaves, coverage: 'pages' }, none, 100))).toEqual([
      lastSlot(1),
      firstSlot(2),
      firstSlot(3),
      firstSlot(4),
      firstSlot(5),
      lastSlot(5),
      firstSlot(6),
      lastSlot(7),
      ...tail,
    ]);
  });

  test('stay inside the address space', () => {
    const whole = leavesOf([0, 1], [PAGES_OF_64_BITS - 1, 1]);
    expect(points(pointBatches({ leaves: whole, coverage: 'leaves' }, none, 100))).toEqual([
      firstSlot(0),
      lastSlot(0),
      firstSlot(1),
      lastSlot(PAGES_OF_64_BITS - 2),
      firstSlot(PAGES_OF_64_BITS - 1),
      lastSlot(PAGES_OF_64_BITS - 1),
    ]);
  });

  test('include every entry that leads nowhere, with both sides of its edges', () => {
    const deadEnds = leavesOf([6, 1], [7, 1], [100, 2]);
    expect(points(pointBatches({ leaves, deadEnds, coverage: 'pages' }, none, 100))).toEqual([
      lastSlot(1),
      firstSlot(2),
      firstSlot(3),
      firstSlot(4),
      firstSlot(5),
      lastSlot(5),
      firstSlot(6),
      lastSlot(6),
      firstSlot(7),
      lastSlot(7),
      ...tail,
      lastSlot(99),
      firstSlot(100),
      lastSlot(101),
      firstSlot(102),
    ]);
  });

  test('merge with the fixed edges, each point once', () => {
    const edges = Float64Array.of(firstSlot(0), firstSlot(2), firstSlot(6), lastSlot(40));
    expect(points(pointBatches({ leaves, coverage: 'edges' }, edges, 100))).toEqual([
      firstSlot(0),
      ...runs,
      ...tail,
      lastSlot(40),
    ]);
  });

  test.each([1, 2, 3, 7, 9, 10])('do not depend on a capacity of %d, and never exceed it', (capacity) => {
    const edges = Float64Array.of(firstSlot(0));
    const batches = [...pointBatches({ leaves, coverage: 'pages' }, edges, capacity)];
    expect(points(batches)).toEqual(points(pointBatches({ leaves, coverage: 'pages' }, edges, 100)));
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(capacity);
    expect(Math.min(...batches.map((batch) => batch.length))).toBeGreaterThan(0);
  });

  test('are estimated before they are made', () => {
    const edges = Float64Array.of(firstSlot(0));
    expect(estimatePoints({ leaves, coverage: 'edges' }, edges)).toBe(1);
    expect(estimatePoints({ leaves, coverage: 'leaves' }, edges)).toBe(4);
    expect(estimatePoints({ leaves, coverage: 'pages' }, edges)).toBe(6);
  });
});

import { expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { LeafList } from '../src/leaf-list.ts';
import { x64Fault } from '../src/outcome-list.ts';
import { leafRuns, runStarts } from './leaf-runs.ts';
import type { Predictor } from './plan.ts';

function leavesOf(...leaves: readonly (readonly [page: number, count: number, frame: number])[]): LeafList {
  const list = new LeafList(leaves.length);
  for (const [index, [page, count, frame]] of leaves.entries()) {
    list.pageNumber[index] = page;
    list.pageCount[index] = count;
    list.frame[index] = frame;
  }
  return list;
}

/** Writes are forbidden from page 100 on. */
const predictor: Predictor = {
  predict(accesses, outcomes) {
    for (let index = 0; index < accesses.length; index++) {
      const isForbidden = accesses.access(index) === Access.Write && accesses.address(index) >= 100n << 12n;
      if (isForbidden) outcomes.fault[index] = x64Fault(14, 3);
      else outcomes.memoryType[index] = 6;
    }
  },
};
const privileges = [Privilege.Supervisor];

const leaves = leavesOf([96, 2, 96], [98, 1, 98], [99, 1, 50], [100, 1, 51], [101, 1, 52], [103, 1, 54]);

test('leaves that follow each other in both memories and allow the same are one run', () => {
  expect([...leafRuns(leaves, predictor, privileges)]).toEqual([
    {
      firstPage: 96,
      pageCount: 3,
      firstFrame: 96,
      permissions: 7,
      memoryType: 6,
      leaves: new Map([
        [2, 1],
        [1, 1],
      ]),
    },
    { firstPage: 99, pageCount: 1, firstFrame: 50, permissions: 7, memoryType: 6, leaves: new Map([[1, 1]]) },
    {
      firstPage: 100,
      pageCount: 2,
      firstFrame: 51,
      permissions: 5,
      memoryType: 6,
      leaves: new Map([[1, 2]]),
    },
    {
      firstPage: 103,
      pageCount: 1,
      firstFrame: 54,
      permissions: 5,
      memoryType: 6,
      leaves: new Map([[1, 1]]),
    },
  ]);
});

test('a run starts where the frame, the permissions or the address jump, and nowhere else', () => {
  const isStart = runStarts(leaves, predictor, privileges);
  expect([0, 1, 2, 3, 4, 5].filter(isStart)).toEqual([0, 2, 3, 5]);
});

import { expect, test } from 'vitest';
import { EXAMPLE_MISMATCH } from '../test/support/example-report.ts';
import { MismatchLog } from './verdict-log.ts';

function logged(
  limit: number,
  entries: readonly (readonly [source: string, point: number, shape: string])[],
) {
  const log = new MismatchLog(limit);
  for (const [source, point, shape] of entries) {
    log.add(source, point, `0x${point}`, shape, () => ({ ...EXAMPLE_MISMATCH, address: `0x${point}` }));
  }
  return log;
}

const rangesOf = ({ groups }: MismatchLog) => groups.map(({ first, last, count }) => [first, last, count]);

test('mismatches of one shape at neighbouring points are one group', () => {
  const log = logged(10, [
    ['m read', 4, 'x'],
    ['m read', 5, 'x'],
    ['m read', 6, 'x'],
  ]);
  expect(rangesOf(log)).toEqual([['0x4', '0x6', 3]]);
});

test('another shape, a point between that agrees, or another access begins a new group', () => {
  const log = logged(10, [
    ['m read', 1, 'x'],
    ['m read', 2, 'y'],
    ['m read', 4, 'y'],
    ['m write', 4, 'y'],
    ['m read', 5, 'y'],
  ]);
  expect(rangesOf(log)).toEqual([
    ['0x1', '0x1', 1],
    ['0x2', '0x2', 1],
    ['0x4', '0x5', 2],
    ['0x4', '0x4', 1],
  ]);
});

test('beyond the limit mismatches are counted and still grouped', () => {
  const log = logged(2, [
    ['m read', 1, 'x'],
    ['m read', 2, 'x'],
    ['m read', 3, 'x'],
    ['m read', 9, 'x'],
  ]);
  expect(log.mismatches.map(({ address }) => address)).toEqual(['0x1', '0x2']);
  expect([log.count, log.omitted]).toEqual([4, 2]);
  expect(rangesOf(log)).toEqual([
    ['0x1', '0x3', 3],
    ['0x9', '0x9', 1],
  ]);
});

test('groups beyond what anybody reads are counted, each once', () => {
  const scattered = Array.from({ length: 250 }, (_, index) => ['m read', index * 4, 'x'] as const);
  const joined = [...scattered, ['m read', 997, 'x'], ['m read', 998, 'x']] as const;
  const log = logged(0, joined);
  expect(log.groups).toHaveLength(200);
  expect(log.groupsOmitted).toBe(50);
  expect(log.count).toBe(252);
});

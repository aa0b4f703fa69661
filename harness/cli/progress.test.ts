import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Progress } from './progress.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function drawnAt(...times: readonly number[]): string[] {
  const drawn: string[] = [];
  const progress = new Progress((text) => drawn.push(text));
  let now = 0;
  for (const time of times) {
    vi.advanceTimersByTime(time - now);
    now = time;
    progress.update(time, 4000);
  }
  progress.end();
  return drawn;
}

test('nothing is drawn for work of less than a second', () => {
  expect(drawnAt(10, 500, 999)).toEqual([]);
});

test('longer work shows its share, not more often than ten times a second, and is cleared', () => {
  const drawn = drawnAt(500, 1000, 1050, 2000);
  expect(drawn).toHaveLength(3);
  expect(drawn[0]).toContain('25 % of 4,000 probes');
  expect(drawn[1]).toContain('50 %');
  expect(drawn[2]).toBe('\r\u001b[K');
});

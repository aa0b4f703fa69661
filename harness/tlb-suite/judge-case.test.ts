import { expect, test } from 'vitest';
import { judgeCase } from './judge-case.ts';
import type { States } from './run-case.ts';
import type { TlbCase, WithoutFlush } from './tlb-case.ts';

const caseWith = (withoutFlush: WithoutFlush): TlbCase => ({
  ...{ name: 'a change', withoutFlush, pages: [] },
  prepare: () => {},
  change: () => [],
});
const states = (some: Partial<States>): States => ({
  ...{ current: 0, stale: 0, neither: 0, unknown: 0 },
  ...some,
});
const CURRENT = states({ current: 6 });
const STALE = states({ stale: 6 });
const judge = (withoutFlush: WithoutFlush, flushed: States, ignored: States, afterwards = CURRENT) =>
  judgeCase(caseWith(withoutFlush), { flushed, ignored, afterwards });

test('a flush is proven where the old translation stays in force without it', () => {
  expect(judge('stale', CURRENT, STALE)).toEqual({
    verdict: 'proven',
    detail: 'with the flush 6 of 6 current; without it 6 of 6 stale',
  });
  expect(judge('stale', CURRENT, states({ current: 4, stale: 2 }))).toMatchObject({
    verdict: 'proven',
    detail: expect.stringMatching(/4 of 6 current, 2 of 6 stale/),
  });
});

test('where nothing old is kept, a flush that the architecture asks for is enough, another is not needed', () => {
  expect(judge('stale', CURRENT, CURRENT).verdict).toBe('enough');
  expect(judge('nothing', CURRENT, CURRENT).verdict).toBe('not needed');
  expect(judge('spurious fault', CURRENT, CURRENT).verdict).toBe('not needed');
});

test('what outlives the promised flush is wrong, unless the architecture allows it', () => {
  expect(judge('stale', STALE, STALE).verdict).toBe('wrong');
  expect(judge('stale all the same', STALE, STALE).verdict).toBe('stale');
  expect(judge('stale all the same', CURRENT, STALE).verdict).toBe('not kept');
});

test('what outlives the invalidation of everything is wrong', () => {
  expect(judge('stale all the same', STALE, STALE, STALE).verdict).toBe('wrong');
});

test('a translation of what was not mapped is wrong', () => {
  expect(judge('nothing', CURRENT, STALE).verdict).toBe('wrong');
});

test('accesses that follow neither state, and changes that change nothing, are wrong', () => {
  expect(judge('stale', states({ current: 5, neither: 1 }), STALE).verdict).toBe('wrong');
  expect(judge('stale', states({}), states({}), states({})).verdict).toBe('wrong');
});

test('what the machine cannot tell is never called proven', () => {
  expect(judge('stale', CURRENT, states({ stale: 5, unknown: 1 })).verdict).toBe('not observable');
});

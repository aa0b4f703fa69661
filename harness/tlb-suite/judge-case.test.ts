import { expect, test } from 'vitest';
import type { TlbOperation } from '../live-guest.ts';
import { judgeCase } from './judge-case.ts';
import type { Preparation, States } from './run-case.ts';
import type { WithoutFlush } from './tlb-case.ts';
import { tlbErrataOf } from './tlb-errata.ts';

const states = (some: Partial<States>): States => ({
  ...{ current: 0, stale: 0, neither: 0, unknown: 0 },
  ...some,
});
const PREPARED = { astray: 0, unknown: 0 };
const CAPABILITIES = { architecture: 'aarch64', observes: 0, features: [], limits: [] } as const;
const CURRENT = states({ current: 6 });
const STALE = states({ stale: 6 });
const judge = (withoutFlush: WithoutFlush, flushed: States, ignored: States, afterwards = CURRENT) =>
  judgeCase({ withoutFlush }, { before: PREPARED, flushed, ignored, afterwards, carriedOut: [] });

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

test('a guest in which the tables before the change were not in force shows nothing', () => {
  const shown = { flushed: CURRENT, ignored: STALE, afterwards: CURRENT, carriedOut: [] };
  const judgeAfter = (before: Preparation) => judgeCase({ withoutFlush: 'stale' }, { ...shown, before });
  expect(judgeAfter({ astray: 1, unknown: 0 })).toMatchObject({
    verdict: 'wrong',
    detail: expect.stringMatching(/^1 accesses before the change did not follow the tables/),
  });
  expect(judgeAfter({ astray: 0, unknown: 1 }).verdict).toBe('not observable');
  expect(judgeAfter(PREPARED).verdict).toBe('proven');
});

test('what a known erratum accounts for is named, and nothing else of it is excused', () => {
  const errata = tlbErrataOf({
    name: 'qemu-aarch64',
    capabilities: { ...CAPABILITIES, version: '7.2.22' },
  });
  const operation = { kind: 'tlbi', name: 'VAE2IS', operand: 0n } as const;
  const observation = { before: PREPARED, flushed: STALE, ignored: STALE, afterwards: CURRENT };
  const judged = (regime: string, carriedOut: readonly TlbOperation[]) =>
    judgeCase({ withoutFlush: 'stale', regime }, { ...observation, carriedOut }, errata).verdict;
  expect(judged('EL2&0', [operation])).toBe('erratum');
  expect(judged('EL2', [operation])).toBe('wrong');
  expect(judged('EL2&0', [])).toBe('wrong');
  expect(judged('EL2&0', [operation, { kind: 'tlbi', name: 'ALLE2IS', operand: undefined }])).toBe('wrong');
  expect(tlbErrataOf({ name: 'qemu-aarch64', capabilities: { ...CAPABILITIES, version: '8.2.0' } })).toEqual(
    [],
  );
});

test('what the machine cannot tell is never called proven', () => {
  expect(judge('stale', CURRENT, states({ stale: 5, unknown: 1 })).verdict).toBe('not observable');
});

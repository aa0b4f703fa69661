import { expect, test } from 'vitest';
import { MemoryAttributes } from '../src/memory-attributes.ts';
import { createWalker } from '../src/walker.ts';
import type { DeclaredRegion } from './expectation-declaration.ts';
import { buildLayout } from './inputs/layout/build-layout.ts';
import { readLayout } from './inputs/layout/read-layout.ts';
import { judgeLeaves, TABLES } from './verdict-leaves.ts';
import { MismatchLog } from './verdict-log.ts';

const LAYOUT = readLayout(
  'test.yaml',
  `architecture: x64
regions:
  - { name: small, base: 1M, size: 8K, global: true }
  - { name: large, base: 2M, size: 4M, pageSize: 2M }
`,
);

/** What is found when the tables of {@link LAYOUT} are held against other declarations of the same ranges. */
function findings(small: DeclaredRegion['x64'], large: DeclaredRegion['x64']): (string | undefined)[] {
  const { memory, registers } = buildLayout(LAYOUT);
  const log = new MismatchLog(10);
  const regions = LAYOUT.regions.map(({ x64: _, ...region }, at) => ({
    ...region,
    attributes: MemoryAttributes.None,
    ...((at === 0 ? small : large) && { x64: at === 0 ? small : large }),
  })) as DeclaredRegion[];
  judgeLeaves(regions, createWalker(memory, registers).leaves(), memory, log);
  expect(log.mismatches.every(({ machine }) => machine === TABLES)).toBe(true);
  return log.mismatches.map(({ address, remark }) => `${address} ${remark}`);
}

const details = (keys: Partial<NonNullable<DeclaredRegion['x64']>>) => ({
  global: undefined,
  pageSize: undefined,
  memoryType: undefined,
  ...keys,
});

test('leaves that are as declared are not reported', () => {
  expect(
    findings(details({ global: true, pageSize: '4K' }), details({ global: false, pageSize: '2M' })),
  ).toEqual([]);
  expect(findings(undefined, undefined)).toEqual([]);
});

test('a leaf that is global against its declaration is named, one by one', () => {
  expect(findings(details({ global: false }), undefined)).toEqual([
    expect.stringMatching(/^0x100000 .*is global, and declared not to be/),
    expect.stringMatching(/^0x101000 .*is global/),
  ]);
});

test('a leaf that lacks G though it is declared is named', () => {
  expect(findings(undefined, details({ global: true }))).toHaveLength(2);
});

test('a page larger than declared is named', () => {
  expect(findings(undefined, details({ pageSize: '4K' }))[0]).toMatch(
    /^0x200000 .*maps 2048 KiB, more than .* 4K/,
  );
});

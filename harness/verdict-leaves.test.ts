import { describe, expect, test } from 'vitest';
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

const AARCH64_LAYOUT = readLayout(
  'test.yaml',
  `architecture: aarch64
regime: el1
regions:
  - { name: small, base: 1M, size: 8K, global: false, share: outer }
  - { name: large, base: 2M, size: 4M, pageSize: 2M, share: inner }
`,
);

/** What is found when the tables of {@link AARCH64_LAYOUT} are held against other details of its regions. */
function aarch64Findings(...details: readonly DeclaredRegion['aarch64'][]): (string | undefined)[] {
  const { memory, registers } = buildLayout(AARCH64_LAYOUT);
  const log = new MismatchLog(10);
  const regions = AARCH64_LAYOUT.regions.map(({ aarch64: _, ...region }, at) => ({
    ...region,
    ...(details[at] !== undefined && { aarch64: details[at] }),
  }));
  judgeLeaves(regions, createWalker(memory, registers).leaves(), memory, log);
  return log.mismatches.map(({ address, remark }) => `${address} ${remark}`);
}

describe('AArch64 leaves', () => {
  test('that are as declared are not reported', () => {
    expect(aarch64Findings({ global: false, share: 'outer' }, { pageSize: '2M', share: 'inner' })).toEqual(
      [],
    );
    expect(aarch64Findings({}, {})).toEqual([]);
  });

  test('of another shareability are named with SH', () => {
    expect(aarch64Findings({ share: 'inner' }, undefined)).toEqual([
      expect.stringMatching(/^0x100000 .*has SH 2 \(outer\), and share inner is declared/),
      expect.stringMatching(/^0x101000 /),
    ]);
    expect(aarch64Findings(undefined, { share: 'none' })[0]).toMatch(/has SH 3 \(inner\)/);
  });

  test('with nG are not global, those without are', () => {
    expect(aarch64Findings({ global: true }, undefined)[0]).toMatch(/is not global, though declared so/);
    expect(aarch64Findings(undefined, { global: false })[0]).toMatch(/is global, and declared not to be/);
  });

  test('larger than declared are named', () => {
    expect(aarch64Findings(undefined, { pageSize: '4K' })[0]).toMatch(
      /^0x200000 .*maps 2048 KiB, more than .* 4K/,
    );
  });
});

test('a leaf that maps two regions is held against both', () => {
  const tables = buildLayout(
    readLayout('built', 'architecture: aarch64\nregions: [{ name: all, base: 2M, size: 2M, share: inner }]'),
  );
  const { regions } = readLayout(
    'declared',
    `architecture: aarch64
regions:
  - { name: first, base: 2M, size: 1M, share: inner }
  - { name: second, base: 3M, size: 1M, share: outer }
`,
  );
  const log = new MismatchLog(10);
  judgeLeaves(regions, createWalker(tables.memory, tables.registers).leaves(), tables.memory, log);
  expect(log.mismatches.map(({ address, region }) => [address, region])).toEqual([['0x300000', 'second']]);
});

test('where nobody may touch the memory, the leaf says where it lies', () => {
  const text = (physical: string) =>
    `architecture: aarch64\nregime: stage2\nregions: [{ name: r, base: 1M, size: 8K, physical: ${physical}, guest: none }]`;
  const { memory, registers } = buildLayout(readLayout('built', text('64M')));
  const leaves = createWalker(memory, registers).leaves();
  const found = (physical: string) => {
    const log = new MismatchLog(10);
    judgeLeaves(readLayout('declared', text(physical)).regions, leaves, memory, log);
    return log.mismatches.map(({ remark }) => remark);
  };
  expect(found('64M')).toEqual([]);
  expect(found('65M')).toEqual([
    expect.stringContaining('maps to 0x4000000, and 0x4100000 is declared'),
    expect.stringContaining('maps to 0x4001000, and 0x4101000 is declared'),
  ]);
});

test('bits that mean nothing do not change what a leaf says', () => {
  const { memory, registers } = buildLayout(AARCH64_LAYOUT);
  const leaves = createWalker(memory, registers).leaves();
  const entry = leaves.entryAddress[0] as number;
  memory.writeEntry(entry, (memory.readEntry(entry) ?? 0n) | (0xf8n << 56n));
  const log = new MismatchLog(10);
  judgeLeaves(AARCH64_LAYOUT.regions, leaves, memory, log);
  expect(log.mismatches).toEqual([]);
});

import { describe, expect, test } from 'vitest';
import type { AArch64Registers } from '../src/registers.ts';
import type { WalkStep } from '../src/translation.ts';
import { createWalker } from '../src/walker.ts';
import { buildLayout } from './inputs/layout/build-layout.ts';
import { readLayout } from './inputs/layout/read-layout.ts';
import { judgeContiguous } from './verdict-contiguous.ts';
import { TABLES } from './verdict-leaves.ts';
import { MismatchLog } from './verdict-log.ts';

const CONTIGUOUS = 1n << 52n;
const ACCESSED = 1n << 10n;
const SOFTWARE = 1n << 55n;
const USER = 1n << 6n;
const READ_ONLY = 1n << 7n;
const DIRTY_BIT_MODIFIER = 1n << 51n;

/** A page or block of `size` at each granule, and the entries of a run. */
const RUNS = [
  { granule: '4K', size: '4K', bytes: 0x1000n, entries: 16n },
  { granule: '4K', size: '2M', bytes: 0x20_0000n, entries: 16n },
  { granule: '16K', size: '16K', bytes: 0x4000n, entries: 128n },
  { granule: '16K', size: '32M', bytes: 0x200_0000n, entries: 32n },
  { granule: '64K', size: '64K', bytes: 0x1_0000n, entries: 32n },
  { granule: '64K', size: '512M', bytes: 0x2000_0000n, entries: 32n },
] as const;

/** What is found when a run at its second place is changed: by the number of the entry in the run. */
function findings(
  { granule, size, bytes, entries }: (typeof RUNS)[number],
  change: (entry: bigint, index: bigint) => bigint,
  regime = 'el1',
): (string | undefined)[] {
  const layout = readLayout(
    'run.yaml',
    `architecture: aarch64
regime: ${regime}
granule: ${granule}
paBits: 44
vaBits: 40
regions: [{ name: run, base: ${entries * bytes}, size: ${entries * bytes}, pageSize: ${size} }]
`,
  );
  const { memory, registers } = buildLayout(layout);
  const walker = createWalker(memory, registers as AArch64Registers);
  for (let index = 0n; index < entries; index++) {
    const leaf = walker.explain((entries + index) * bytes).at(-1) as WalkStep;
    memory.writeEntry(leaf.entryAddress, change((leaf.entry ?? 0n) & ~CONTIGUOUS, index));
  }
  const log = new MismatchLog(10);
  judgeContiguous(registers, walker.leaves(), memory, log);
  expect(log.mismatches.every(({ machine }) => machine === TABLES)).toBe(true);
  return log.mismatches.map(({ address, remark }) => `${address} ${remark}`);
}

describe.each(RUNS)('a run of $entries entries of $size, pages of $granule', (run) => {
  const first = `0x${(run.entries * run.bytes).toString(16)} `;

  test('is right with the Contiguous bit in every entry, or in none', () => {
    expect(findings(run, (entry) => entry | CONTIGUOUS)).toEqual([]);
    expect(findings(run, (entry) => entry)).toEqual([]);
  });

  test('is broken by an entry without the bit, and is told once', () => {
    const found = findings(run, (entry, index) => (index === 3n ? entry : entry | CONTIGUOUS));
    expect(found).toEqual([expect.stringContaining(`run of ${run.entries} entries`)]);
    expect(found[0]?.startsWith(first)).toBe(true);
  });

  test('is broken by an entry with the bit among others without', () => {
    expect(findings(run, (entry, index) => (index === 5n ? entry | CONTIGUOUS : entry))).toHaveLength(1);
  });

  test('is broken by an entry that leads elsewhere, and by memory that is not aligned', () => {
    const swapped = (entry: bigint, index: bigint) => (index < 2n ? entry ^ run.bytes : entry) | CONTIGUOUS;
    expect(findings(run, swapped)).toHaveLength(1);
    expect(findings(run, (entry) => (entry + run.bytes) | CONTIGUOUS)).toHaveLength(1);
  });

  test('is broken by an entry with other rights, and not by the access flag or a bit for software', () => {
    const only = (bit: bigint) => (entry: bigint, index: bigint) =>
      (index === 7n ? entry ^ bit : entry) | CONTIGUOUS;
    expect(findings(run, only(USER))).toHaveLength(1);
    expect(findings(run, only(ACCESSED))).toEqual([]);
    expect(findings(run, only(SOFTWARE))).toEqual([]);
  });
});

test('where hardware keeps the dirty state, entries of a run may differ in it', () => {
  const [run] = RUNS;
  const dirtied = (entry: bigint, index: bigint) => (index === 7n ? entry : entry | READ_ONLY) | CONTIGUOUS;
  expect(findings(run, dirtied)).toHaveLength(1);
  expect(findings(run, (entry, index) => dirtied(entry, index) | DIRTY_BIT_MODIFIER)).toEqual([]);
});

test('at stage 2 a broken run is told as well', () => {
  const [run] = RUNS;
  expect(findings(run, (entry, index) => (index === 0n ? entry | CONTIGUOUS : entry), 'stage2')).toHaveLength(
    1,
  );
});

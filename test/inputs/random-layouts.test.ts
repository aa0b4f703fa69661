import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildLayout } from '../../harness/inputs/layout/build-layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { queryOf } from '../../harness/inputs/query.ts';
import { selectMachines } from '../../harness/machines/registry.ts';
import type { Report } from '../../harness/report.ts';
import { verify } from '../../harness/verify.ts';

const PAGE_BYTES = { '4K': 0x1000n, '16K': 0x4000n, '64K': 0x1_0000n };
const BLOCKS = { '4K': '2M', '16K': '32M', '64K': '512M' };
const SHARES = ['share: none', 'share: outer', 'share: inner'];
const PROTECTED = 'attributes: [execute-protect]';

/** Words that go together, of memory and of who may do what. */
const TYPES = [
  ...SHARES,
  ...SHARES.map((share) => `memoryType: normal-write-through, ${share}`),
  'memoryType: normal-non-cacheable',
];
const RIGHTS = [
  'attributes: []',
  'attributes: [read-only]',
  PROTECTED,
  'attributes: [read-only, execute-protect]',
];
const DEVICES = ['nGnRnE', 'nGnRE', 'nGRE', 'GRE'].map((type) => `memoryType: device-${type}, ${PROTECTED}`);
const USER_RIGHTS = [
  ...['x', 'none'].map((word) => `user: ${word}`),
  ...['r', 'rx'].map((word) => `user: ${word}, attributes: [read-only]`),
  ...['rw', 'rwx', 'x'].map((word) => `user: ${word}, ${PROTECTED}`),
];
const GUEST_RIGHTS = ['r', 'rw', 'x', 'rx', 'rwx'].map((word) => `guest: ${word}`);
const RIGHTS_OF = {
  el1: [...RIGHTS, ...USER_RIGHTS],
  'el2-vhe': [...RIGHTS, ...USER_RIGHTS],
  el2: RIGHTS,
  el3: RIGHTS,
  stage2: [...RIGHTS, ...GUEST_RIGHTS],
};
type Regime = keyof typeof RIGHTS_OF;

/** A layout of three regions, the last of them in the upper half where there is one. */
const anyLayout = fc
  .record({
    regime: fc.constantFrom(...(Object.keys(RIGHTS_OF) as Regime[])),
    granule: fc.constantFrom('4K' as const, '16K' as const, '64K' as const),
    vaBits: fc.integer({ min: 38, max: 46 }),
    pages: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 3 }),
    frames: fc.array(fc.nat({ max: 0xf_fff }), { minLength: 3, maxLength: 3 }),
    picks: fc.array(fc.nat({ max: 1000 }), { minLength: 6, maxLength: 6 }),
    isLarge: fc.boolean(),
  })
  .map(({ regime, granule, vaBits, pages, frames, picks, isLarge }) => {
    const page = PAGE_BYTES[granule];
    const hasUpper = regime === 'el1' || regime === 'el2-vhe';
    const regions = pages.map((count, at) => {
      const size = BigInt(count) * page;
      const end = hasUpper && at === 2 ? 1n << 64n : 1n << BigInt(vaBits);
      const base = at === 0 ? page : end - size - (at === 2 && !hasUpper ? 1n << 32n : 0n);
      const choices = [
        ...RIGHTS_OF[regime].map((rights) => `${rights}, ${TYPES[(picks[at] ?? 0) % TYPES.length]}`),
        ...DEVICES,
        ...(regime === 'stage2' ? ['guest: none, share: outer'] : []),
      ];
      const keys = choices[(picks[at + 3] ?? 0) % choices.length];
      return `  - { name: r${at}, base: ${base}, size: ${size}, physical: ${BigInt(frames[at] ?? 0) * page}, ${keys} }`;
    });
    const large = `  - { name: large, base: 4G, size: ${isLarge ? '1G' : '16M'}, physical: 8G, pageSize: ${isLarge ? BLOCKS[granule] : granule} }`;
    const head = `architecture: aarch64\nregime: ${regime}\ngranule: ${granule}\nvaBits: ${vaBits}\n`;
    return `${head}regions:\n${[...regions, large].join('\n')}\n`;
  });

async function verified(text: string): Promise<Report> {
  const layout = readLayout('random', text);
  const { memory, registers, upkeep, pageTable } = buildLayout(layout);
  const query = queryOf(pageTable);
  const input = { kind: 'layout', name: 'random', architecture: 'aarch64', layout } as const;
  return await verify(
    { ...input, memory, registers, upkeep, query },
    { machines: selectMachines(['qemu-aarch64'], 'aarch64'), coverage: 'edges' },
  );
}

test('layouts of any regime are what their tables are, to the query, to the walker and to the machine', async () => {
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(anyLayout, async (text) => {
      const { verdict, mismatches, machines } = await verified(text);
      expect(mismatches).toEqual([]);
      // Some roots have no room for the machine's own part of the guest.
      expect(verdict).toBe(machines[0]?.unfit === true ? 'incomplete' : 'agree');
      if ((machines[0]?.agreed ?? 0) > 0) ran++;
    }),
    { numRuns: 16 },
  );
  expect(ran).toBeGreaterThan(10);
});

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { WarmMachine } from '../bit-flips/warm-machine.ts';
import { RandomMapping, type Shape, steps } from './random-mapping.ts';

const HALVES = ['lower', 'upper'] as const;
const LEVELS = { '4K': [0, 1, 2, 3], '16K': [1, 2, 3], '64K': [1, 2] } as const;
const GRANULES = ['4K', '16K', '64K'] as const;

/** EL2 and EL3 have one range, in which the stub needs a place beside the tables under test. */
const SHAPES: readonly Shape[] = [
  ...(['el1', 'el2-vhe'] as const).flatMap((regime) =>
    GRANULES.flatMap((granule) =>
      LEVELS[granule].map((rootLevel, at) => ({
        regime,
        granule,
        rootLevel,
        vaRange: HALVES[at % 2] ?? 'lower',
      })),
    ),
  ),
  ...(['el2', 'el3'] as const).flatMap((regime) =>
    GRANULES.flatMap((granule) =>
      LEVELS[granule]
        .filter((level) => level < 3)
        .map((rootLevel) => ({ regime, granule, rootLevel, vaRange: 'lower' as const })),
    ),
  ),
  ...(
    [
      ['4K', 1],
      ['4K', 2],
      ['16K', 2],
      ['64K', 2],
    ] as const
  ).map(([granule, rootLevel]) => ({
    regime: 'stage2' as const,
    granule,
    rootLevel,
    vaRange: 'lower' as const,
  })),
];

describe('random mappings on qemu-aarch64', () => {
  let machine: WarmMachine;
  beforeAll(async () => {
    machine = new WarmMachine(await qemuAArch64.open());
  });
  afterAll(() => machine.close());

  test.each(SHAPES)(
    '$regime, $granule from level $rootLevel, $vaRange: tables, query, walker and machine say what was asked for',
    async (shape) => {
      await fc.assert(
        fc.asyncProperty(steps, async (done) => {
          const mapping = new RandomMapping(shape);
          for (const step of done) mapping.do(step);
          const report = await verify(mapping.input(), {
            machines: [machine],
            required: true,
            coverage: 'edges',
          });
          expect(report.groups).toEqual([]);
          expect(report.verdict).toBe('agree');
        }),
        { numRuns: 6 },
      );
    },
  );

  test('what was done behind the record is reported', async () => {
    const mapping = new RandomMapping({ regime: 'el1', granule: '16K', rootLevel: 2, vaRange: 'upper' });
    mapping.do({ kind: 'block', leaf: 1 });
    const { layout } = mapping.input();
    mapping.do({ kind: 'unmap', window: 3, first: 0, count: 1 });
    const report = await verify(
      { ...mapping.input(), layout },
      { machines: [machine], required: true, coverage: 'leaves' },
    );
    const [first] = report.mismatches;
    expect(first).toMatchObject({ region: 'r0', predicted: { completes: false }, alone: 'declared' });
    expect(report.verdict).toBe('mismatch');
  });
});

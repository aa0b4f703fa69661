import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StructuralFault } from '../../src/outcome-list.ts';
import { compareWithReference } from './aarch64-comparison.ts';
import { ODDS, type RegimeName, randomRegisters, stageTwoTables } from './aarch64-random.ts';
import { chance, randomFrom, randomTables, seeds, tableShape } from './random-tables.ts';

/** Always the same tables first, so that what has to come up does so in every run; new ones after them. */
const FIXED_SEEDS: [number][] = Array.from({ length: 60 }, (_, seed) => [seed]);

const SAME_EL = [0x21, 0x25];
const BOTH_ELS = [0x20, 0x21, 0x24, 0x25];

describe.each([
  ['el1', BOTH_ELS],
  ['el2', SAME_EL],
  ['el3', SAME_EL],
  ['el2&0', BOTH_ELS],
] as const)('the AArch64 walker in %s against a second statement of the manual', (regime, classes) => {
  it.each([
    [12, false],
    [12, true],
    [14, false],
    [14, true],
    [16, false],
  ] as const)('pages of 2^%i bytes, DS = %s: the same outcome for every access', (pageShift, ds) => {
    const shape = tableShape(pageShift);
    const seen = new Set<number>();
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomFrom(seed);
        const registers = randomRegisters(random, regime, { pageShift, ds, shape });
        const memory = randomTables(random, ODDS[ds ? 'large' : 'plain'], shape);
        compareWithReference(random, memory, registers, shape, seen);
      }),
      { numRuns: pageShift === 12 && !ds ? 200 : 70, examples: FIXED_SEEDS },
    );
    // Every exception class with every kind of fault must have come up, or the comparison says little.
    const kinds = new Set([...seen].map((fault) => `${fault >>> 26}:${(fault & 0x3f) >>> 2}`));
    for (const exceptionClass of classes) {
      for (const kind of [0, 1, 2, 3]) expect(kinds).toContain(`${exceptionClass}:${kind}`);
    }
    const statuses = [...seen].map((fault) => fault & 0x3f);
    const levels = pageShift === 16 ? [1, 2, 3] : [0, 1, 2, 3];
    for (const level of levels) expect(statuses).toContain(0x04 + level);
    if (ds && pageShift === 12) expect(statuses).toContain(0x2b);
    expect(seen).toContain(StructuralFault.TableOutsideMemory);
    expect(seen).toContain(0);
  });
});

describe.each([
  ['stage 2 under stage 1', 'nested'],
  ['stage 2 alone', 'stage 2'],
] as const)(
  'the AArch64 walker with %s against a second statement of the manual',
  (_, regime: RegimeName) => {
    it.each([
      [12, 12, false],
      [12, 12, true],
      [16, 12, false],
      [12, 14, false],
      [14, 14, true],
      [12, 16, false],
    ] as const)(
      'pages of 2^%i bytes over 2^%i, DS = %s: the same outcome for every access',
      (one, two, ds) => {
        const shape = tableShape(one);
        const seen = new Set<number>();
        fc.assert(
          fc.property(seeds, (seed) => {
            const random = randomFrom(seed);
            const registers = randomRegisters(random, regime, { pageShift: one, ds, shape });
            const memory = randomTables(random, ODDS[ds ? 'large' : 'plain'], shape);
            const stageTwo = stageTwoTables(random, memory, registers, {
              pageShift: two,
              ds: ds && chance(random, 70),
            });
            compareWithReference(random, memory, { ...registers, ...stageTwo }, shape, seen);
          }),
          { numRuns: 110, examples: FIXED_SEEDS },
        );
        const statuses = (exceptionClass: number, onWalk: boolean) =>
          new Set(
            [...seen]
              .filter((fault) => fault >>> 26 === exceptionClass && ((fault >>> 7) & 1) === (onWalk ? 1 : 0))
              .map((fault) => (fault & 0x3f) >>> 2),
          );
        for (const exceptionClass of [0x20, 0x24]) {
          for (const kind of [0, 1, 2, 3]) expect(statuses(exceptionClass, false)).toContain(kind);
          if (regime === 'nested') {
            for (const kind of [1, 2, 3]) expect(statuses(exceptionClass, true)).toContain(kind);
          }
        }
        expect(seen).toContain(StructuralFault.TableOutsideMemory);
        expect(seen).toContain(0);
      },
    );
  },
);

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeCapture } from '../../harness/inputs/capture/write-capture.ts';
import { buildLayout } from '../../harness/inputs/layout/build-layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { loadInput } from '../../harness/inputs/load-input.ts';
import type { LayoutAgainstCaptureInput } from '../../harness/inputs/types.ts';
import { selectMachines } from '../../harness/machines/registry.ts';
import type { Report } from '../../harness/report.ts';
import { verify } from '../../harness/verify.ts';

/** Two regions, and in the regimes that have one a third in the upper half. */
function textOf(regime: string, keys: string): string {
  const upper =
    regime === 'el1' || regime === 'el2-vhe'
      ? '  - { name: above, base: 0xFFFFFFFFFFFF0000, size: 64K, physical: 0x7000000, user: rx, attributes: [read-only] }\n'
      : '';
  return `architecture: aarch64
regime: ${regime}
regions:
  - { name: beside, base: 2M, size: 128K, physical: 0x8000000, memoryType: normal-write-back, share: outer }
  - { name: r, base: 0x40000000, size: 2M, ${keys}${keys.includes('physical') ? '' : ', physical: 0x50000000'} }
${upper}`;
}

/** What qemu-aarch64 says of tables that were built for other keys of region r than those that are declared. */
async function held(regime: string, declared: string, built: string): Promise<Report> {
  const { memory, registers } = buildLayout(readLayout('built', textOf(regime, built)));
  const input: LayoutAgainstCaptureInput = {
    kind: 'layout-against-capture',
    name: 'declared',
    captureName: 'built',
    architecture: 'aarch64',
    layout: readLayout('declared', textOf(regime, declared)),
    memory,
    registers,
    upkeep: [],
    notes: [],
  };
  return await verify(input, { machines: selectMachines(['qemu-aarch64'], 'aarch64'), required: true });
}

const DEVICE = 'attributes: [execute-protect]';

describe.each([
  ['el1', 'share: inner', 'share: outer'],
  ['el1', 'share: none', 'share: inner'],
  ['el1', 'memoryType: normal-write-back', 'memoryType: normal-write-through'],
  ['el1', `memoryType: device-nGnRE, ${DEVICE}`, `memoryType: device-nGnRnE, ${DEVICE}`],
  ['el1', 'user: rx, attributes: [read-only]', 'user: x, attributes: [read-only]'],
  ['el1', 'user: r, attributes: [read-only]', 'user: rx, attributes: [read-only]'],
  ['el1', 'user: x', 'user: none'],
  ['el1', 'user: none, attributes: [read-only]', 'user: x, attributes: [read-only, execute-protect]'],
  ['el1', 'user: rw, attributes: [execute-protect]', 'user: rwx, attributes: [execute-protect]'],
  ['el1', 'user: none, attributes: [execute-protect]', 'user: rw, attributes: [execute-protect]'],
  ['el1', 'user: x', 'user: x, physical: 0x50200000'],
  ['el1', 'user: x, global: true', 'user: x, global: false'],
  ['el1', 'user: x, pageSize: 4K', 'user: x'],
  ['el2-vhe', 'user: rw, attributes: [execute-protect]', 'user: x, attributes: [execute-protect]'],
  ['el2-vhe', 'share: inner', 'share: none'],
  ['el2', 'share: inner', 'share: outer'],
  ['el2', `memoryType: device-GRE, ${DEVICE}`, `memoryType: device-nGRE, ${DEVICE}`],
  ['el2', 'attributes: [execute-protect]', 'attributes: [read-only]'],
  ['el3', 'memoryType: normal-non-cacheable', 'memoryType: normal-write-through'],
  ['el3', 'share: none', 'share: outer'],
  ['el3', 'attributes: [read-only]', 'attributes: [execute-protect]'],
  ['stage2', 'share: inner', 'share: none'],
  ['stage2', 'memoryType: normal-write-through', 'memoryType: normal-write-back'],
  ['stage2', `memoryType: device-nGRE, ${DEVICE}`, `memoryType: device-nGnRE, ${DEVICE}`],
  ['stage2', 'attributes: [read-only]', 'attributes: [read-only, execute-protect]'],
  ['stage2', 'attributes: [execute-protect]', 'attributes: [read-only, execute-protect]'],
  ['stage2', 'attributes: [read-protect]', 'attributes: [read-only]'],
  ['stage2', 'guest: none', 'attributes: [read-protect]'],
  ['stage2', 'guest: rx', 'guest: rwx'],
  ['stage2', 'guest: w', 'guest: rw'],
])('%s with %s declared', (regime, declared, built) => {
  test('is what tables built for it are', async () => {
    expect(await held(regime, declared, declared)).toMatchObject({ verdict: 'agree', mismatches: [] });
  });

  test(`is not what tables with ${built} are`, async () => {
    const { verdict, mismatches } = await held(regime, declared, built);
    expect(verdict).toBe('mismatch');
    expect(new Set(mismatches.map(({ region }) => region))).toEqual(new Set(['r']));
  });
});

describe('the tables of a layout, written as a capture', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mmucheck-layouts-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  test.each([
    ['el1', 'user: rw, attributes: [execute-protect]'],
    ['el2', 'share: inner'],
    ['el2-vhe', 'user: r, attributes: [read-only]'],
    ['el3', 'memoryType: normal-write-through'],
    ['stage2', 'attributes: [read-only]'],
  ])('%s, come back with every register, and the machine agrees with the walker', async (regime, keys) => {
    const built = buildLayout(readLayout('built', textOf(regime, keys)));
    const { core } = await writeCapture(join(folder, `${regime}.core.gz`), built);
    const input = await loadInput(core);
    expect(input).toMatchObject({ kind: 'capture', notes: [] });
    expect(input.registers).toEqual(built.registers);
    const machines = selectMachines(['qemu-aarch64'], 'aarch64');
    expect(await verify(input, { machines, required: true })).toMatchObject({
      verdict: 'agree',
      mismatches: [],
    });
  });

  test.each(['el1', 'el2-vhe', 'el3', 'stage2'])(
    'unicorn-aarch64 runs %s, or is unfit and agrees to nothing',
    async (regime) => {
      const { memory, registers } = buildLayout(readLayout('built', textOf(regime, 'share: inner')));
      const input = {
        kind: 'capture',
        name: regime,
        architecture: 'aarch64',
        memory,
        registers,
        notes: [],
      } as const;
      const { verdict, machines } = await verify(input, {
        machines: selectMachines(['unicorn-aarch64'], 'aarch64'),
      });
      const { unfit, agreed = 0, mismatched } = machines[0] ?? {};
      expect({ verdict, unfit, agrees: agreed > 0, mismatched }).toEqual(
        unfit === true
          ? { verdict: 'incomplete', unfit: true, agrees: false, mismatched: 0 }
          : { verdict: 'agree', unfit: undefined, agrees: true, mismatched: 0 },
      );
    },
  );

  test('of EL2&0 without EL0 are not held against what a layout says of EL0', async () => {
    const text = textOf('el2-vhe', 'user: rw, attributes: [execute-protect]');
    const built = buildLayout(readLayout('built', text));
    if (built.registers.architecture !== 'aarch64') throw new Error('an AArch64 layout is expected');
    const withoutTge = { ...built.registers, hcrEl2: built.registers.hcrEl2 & ~(1n << 27n) };
    const { core } = await writeCapture(join(folder, 'no-el0.core'), { ...built, registers: withoutTge });
    const path = join(folder, 'el0.yaml');
    await writeFile(path, text);
    await expect(loadInput(path, { tables: core })).rejects.toThrow(
      /declares what EL0 may do, but of .* HCR_EL2 is 0x480000000: TGE is 0/,
    );
  });

  test('a layout for other sizes is not held against them', async () => {
    const built = buildLayout(readLayout('built', textOf('el3', 'share: inner')));
    const { core: tables } = await writeCapture(join(folder, 'sizes.core'), built);
    const refusal = async (head: string) => {
      const path = join(folder, 'other.yaml');
      await writeFile(path, `architecture: aarch64\n${head}\nregions: []\n`);
      return await loadInput(path, { tables }).catch((error: Error) => error.message);
    };
    expect(await refusal('regime: el2')).toContain('declares aarch64 el2, but the tables of');
    expect(await refusal('regime: el3\nvaBits: 39')).toMatch(/declares vaBits 39, but .* of vaBits 48$/);
    expect(await refusal('regime: el3\nrootLevel: 1')).toMatch(
      /declares rootLevel 1, but .* of rootLevel 0$/,
    );
    expect(await refusal('regime: el3\ngranule: 64K')).toMatch(/declares granule 64K, but .* of granule 4K$/);
    expect(await refusal('regime: el3\npaBits: 48')).toMatch(/declares paBits 48, but .* of paBits 40$/);
    expect(await refusal('regime: el3\nvaBits: 48\npaBits: 40\ngranule: 4K')).toMatchObject({
      kind: 'layout-against-capture',
    });
  });
});

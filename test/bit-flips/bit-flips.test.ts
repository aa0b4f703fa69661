import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltLayout, buildLayout } from '../../harness/inputs/layout/build-layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { MACHINES } from '../../harness/machines/registry.ts';
import type { Architecture, Registers } from '../../src/registers.ts';
import { type CampaignResult, flipEveryBit, NOT_DECLARED } from './campaign.ts';
import { descriptorsOnTheWay, type IsLeaf } from './descriptors.ts';
import { aarch64Meaning, type MeaningOfBit, x64Meaning } from './meaning.ts';
import { WarmMachine } from './warm-machine.ts';

interface Case {
  readonly title: string;
  readonly architecture: Architecture;
  readonly layout: string;
  readonly isLeaf: IsLeaf;
  readonly root: (built: BuiltLayout) => bigint;
  readonly meaningOf: (built: BuiltLayout) => MeaningOfBit;
}

/** A page, a page that only the supervisor may touch, a block of 2 MiB and one of 1 GiB. */
const X64_REGIONS = `
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: secret, base: 0x103000, size: 4K, attributes: [supervisor, execute-protect] }
  - { name: data, base: 4M, size: 2M, attributes: [execute-protect, writeback] }
  - { name: constants, base: 1G, size: 1G, attributes: [read-only, execute-protect] }
`;
const AARCH64_REGIONS = `
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: device, base: 0x103000, size: 4K, attributes: [uncached, execute-protect] }
  - { name: data, base: 4M, size: 2M, attributes: [execute-protect] }
  - { name: constants, base: 1G, size: 1G, attributes: [read-only, execute-protect] }
`;

const isX64Leaf: IsLeaf = (value, shift) => shift === 12 || (value & 0x80n) !== 0n;
const isAArch64Leaf: IsLeaf = (value, shift) => shift === 12 || (value & 2n) === 0n;

function rootOf(registers: Registers): bigint {
  return registers.architecture === 'x64' ? registers.cr3 : registers.ttbr0;
}

function aarch64Case(regime: 'el1' | 'el2'): Case {
  return {
    title: `aarch64 ${regime}`,
    architecture: 'aarch64',
    layout: `architecture: aarch64\nregime: ${regime}\n${AARCH64_REGIONS}`,
    isLeaf: isAArch64Leaf,
    root: ({ registers }) => rootOf(registers),
    meaningOf: ({ registers }) =>
      aarch64Meaning(registers.architecture === 'aarch64' ? registers.mair : 0n, regime),
  };
}

const CASES: readonly Case[] = [
  {
    title: 'x64',
    architecture: 'x64',
    layout: `architecture: x64\npaging: 4-level\n${X64_REGIONS}`,
    isLeaf: isX64Leaf,
    root: ({ registers }) => rootOf(registers),
    meaningOf: () => x64Meaning(),
  },
  aarch64Case('el1'),
  aarch64Case('el2'),
];

describe.each(CASES)('every bit of every descriptor of an $title layout', (subject) => {
  const machines: WarmMachine[] = [];
  let result: CampaignResult;

  beforeAll(async () => {
    for (const { architecture, provider } of MACHINES) {
      if (architecture !== subject.architecture) continue;
      const candidate = await provider();
      if ((await candidate.detect()).available) machines.push(new WarmMachine(await candidate.open()));
    }
    if (machines.length === 0) throw new Error(`no machine runs ${subject.architecture} tables here`);
    const layout = readLayout('layout.yaml', subject.layout);
    const built = buildLayout(layout);
    const { memory } = built;
    const descriptors = descriptorsOnTheWay(memory, subject.root(built), layout.regions, subject.isLeaf);
    result = await flipEveryBit(
      { layout, built, descriptors, meaningOf: subject.meaningOf(built) },
      machines,
    );
    printResult(subject.title, result, descriptors.length);
  }, 300_000);

  afterAll(async () => {
    for (const machine of machines) await machine.close();
  });

  test('is reported where it changes something, with its address, and only there', () => {
    expect(result.contradictions).toEqual([]);
  });

  test('is reported whatever it changes, but for what a layout does not declare', () => {
    const undeclared = [...NOT_DECLARED.keys()].reduce(
      (sum, meaning) => sum + (result.flips.get(meaning) ?? 0),
      0,
    );
    expect(result.reported).toBe(result.changing - undeclared);
    expect(result.reported).toBeGreaterThan(100);
  });
});

function printResult(title: string, result: CampaignResult, descriptors: number): void {
  const { flips, changing, reported, observed, survivors } = result;
  const total = [...flips.values()].reduce((sum, count) => sum + count, 0);
  const share = (count: number) => `${count} (${((100 * count) / changing).toFixed(1)} %)`;
  const lines = [
    `${title}: ${total} flips in ${descriptors} descriptors, ${changing} change something, ${share(reported)} reported`,
    ...[...observed].map(([machine, count]) => `  shown by the answers of ${machine}: ${share(count)}`),
    ...[...survivors].map(([how, count]) => `  ${how}: ${count}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

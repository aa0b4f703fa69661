import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildLayout } from '../../harness/inputs/layout/build-layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { MACHINES } from '../../harness/machines/registry.ts';
import type { Registers } from '../../src/registers.ts';
import { type CampaignResult, flipEveryBit, type Subject } from './campaign.ts';
import type { Manual } from './meaning.ts';
import { WarmMachine } from './warm-machine.ts';

/** Tables of which every bit is flipped, and the machines that run them. */
export interface CampaignCase {
  readonly title: string;
  readonly machines: readonly string[];
  readonly subject: () => Subject;
  /** How many flips change what some access is given, and how many of them nothing that the layout declares. */
  readonly changing: number;
  readonly undeclared: number;
}

/** The tables that the engine builds for a layout. */
export function builtFrom(yaml: string, manualOf: (registers: Registers) => Manual): Subject {
  const layout = readLayout('layout.yaml', yaml);
  const { memory, registers, upkeep } = buildLayout(layout);
  return { layout, image: { memory, registers }, upkeep, manual: manualOf(registers) };
}

/** Flips every bit of every descriptor of each case, and states what became of the flips. */
export function campaignSuite(cases: readonly CampaignCase[]): void {
  const machines = new Map<string, WarmMachine>();

  beforeAll(async () => {
    const wanted = new Set(cases.flatMap(({ machines: names }) => names));
    for (const { name, provider } of MACHINES) {
      if (wanted.has(name)) machines.set(name, new WarmMachine(await (await provider()).open()));
    }
  });

  afterAll(async () => {
    for (const machine of machines.values()) await machine.close();
  });

  describe.each(cases)('every bit of every descriptor of $title', (oneCase) => {
    const { title, machines: names, subject, changing, undeclared } = oneCase;
    let result: CampaignResult;

    beforeAll(async () => {
      const running = names.map((name) => machines.get(name)).filter((machine) => machine !== undefined);
      expect(running).toHaveLength(names.length);
      result = await flipEveryBit(subject(), running);
      printResult(title, result);
    }, 300_000);

    test('is reported where it changes something, with its address, and only there', () => {
      expect(result.contradictions).toEqual([]);
    });

    test('is reported whatever it changes, but for what a layout does not declare', () => {
      expect(sum(result.changing.values())).toBe(changing);
      expect(result.undeclared).toBe(undeclared);
      expect(result.reported).toBe(changing - undeclared);
    });
  });
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0);
}

function printResult(title: string, { flips, changing, descriptors, ...result }: CampaignResult): void {
  const { reported, observed, survivors } = result;
  const changes = sum(changing.values());
  const share = (count: number) => `${count} (${((100 * count) / changes).toFixed(1)} %)`;
  const lines = [
    `${title}: ${sum(flips.values())} flips in ${descriptors} descriptors, ${changes} change something, ${share(reported)} reported`,
    ...[...observed].map(([machine, count]) => `  shown by the answers of ${machine}: ${share(count)}`),
    ...[...survivors].map(([how, count]) => `  ${how}: ${count}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

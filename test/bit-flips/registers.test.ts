import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../harness/inputs/input-error.ts';
import type { Layout, RegimeName } from '../../harness/inputs/layout/layout.ts';
import { MachineError } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import type { AArch64Registers, Registers } from '../../src/registers.ts';
import { inputOf, type Subject } from './campaign.ts';
import { builtFrom } from './campaign-suite.ts';
import { manualOf } from './regime-aarch64.ts';
import { type Effect, FIELDS, type Fields, mairFields } from './register-fields.ts';
import { WarmMachine } from './warm-machine.ts';
import { waysOf } from './ways.ts';

const WITH_USER = `
  - { name: pool, base: 0x103000, size: 4K, physical: 0x100103000, user: none, memoryType: normal-write-back, share: inner }
  - { name: program, base: 0x105000, size: 4K, attributes: [read-only, execute-protect], user: rx, memoryType: normal-write-back }
  - { name: top, base: 0x800000000000, size: 4K, physical: 0x107000, attributes: [execute-protect], user: none, memoryType: device-nGnRE }
  - { name: library, base: 0xFFFF000000109000, size: 4K, physical: 0x109000, attributes: [read-only], user: r, memoryType: normal-write-through }
`;
const WITHOUT_USER = `
  - { name: pool, base: 0x103000, size: 4K, physical: 0x100103000, memoryType: normal-write-back, share: inner }
  - { name: top, base: 0x800000000000, size: 4K, physical: 0x105000, attributes: [execute-protect], memoryType: device-nGnRE }
`;
const OF_STAGE_TWO = `
  - { name: pool, base: 0x103000, size: 4K, physical: 0x100103000, memoryType: normal-write-back, share: inner }
  - { name: top, base: 0x4000000000, size: 4K, physical: 0x105000, attributes: [execute-protect], memoryType: device-nGnRE }
`;

interface RegisterCase {
  readonly regime: RegimeName;
  readonly regions: string;
  readonly providers: readonly (typeof qemuAArch64)[];
}

const QEMU = [qemuAArch64];
const BOTH = [qemuAArch64, unicornAArch64];
const CASES: readonly RegisterCase[] = [
  { regime: 'el1', regions: WITH_USER, providers: BOTH },
  { regime: 'el2', regions: WITHOUT_USER, providers: BOTH },
  { regime: 'el2-vhe', regions: WITH_USER, providers: QEMU },
  { regime: 'el3', regions: WITHOUT_USER, providers: QEMU },
  { regime: 'stage2', regions: OF_STAGE_TWO, providers: QEMU },
];
const ON_EACH = CASES.flatMap((one) => one.providers.map((provider) => ({ ...one, provider })));

/** What became of a flip: the verdict, or that the walker or the machine names what it does not take. */
type Fate = 'mismatch' | 'agree' | 'incomplete' | 'refused';

describe.each(ON_EACH)('each bit of the registers of $regime, put to $provider.name', (subject) => {
  let machine: WarmMachine;
  const fates: { readonly what: string; readonly effect: Effect; readonly fate: Fate }[] = [];

  beforeAll(async () => {
    machine = new WarmMachine(await subject.provider.open());
    const bits = subject.regime === 'stage2' ? 'vaBits: 39\n' : '';
    const yaml = `architecture: aarch64\nregime: ${subject.regime}\n${bits}regions:${subject.regions}`;
    const built = builtFrom(yaml, manualOf);
    expect(await fateOf(built, built.image.registers)).toBe('agree');
    const { registers } = built.image;
    if (registers.architecture !== 'aarch64') throw new Error('AArch64 registers are expected');
    const mair = subject.regime === 'stage2' ? {} : { mair: mairFields(attributesUsed(built)) };
    for (const { register, names, bit, effect } of bitsOf({ ...FIELDS[subject.regime], ...mair })) {
      const value = registers[register] ?? 0n;
      const fate = await fateOf(built, { ...registers, [register]: value ^ (1n << BigInt(bit)) });
      fates.push({ what: `${register} bit ${bit} (${names})`, effect, fate });
    }
  }, 120_000);

  afterAll(() => machine.close());

  const those = (effect: Effect) => fates.filter((flip) => flip.effect === effect);

  test('is reported, or refused by name, where it changes something', () => {
    const changing = those('changes');
    expect(changing.filter(({ fate }) => fate !== 'mismatch' && fate !== 'refused')).toEqual([]);
    expect(changing.filter(({ fate }) => fate === 'mismatch').length).toBeGreaterThanOrEqual(8);
  });

  // A machine may refuse what it lacks: Unicorn HA and HD, which change nothing here.
  test('is not reported where it changes nothing', () => {
    const unchanging = those('nothing');
    expect(unchanging.filter(({ fate }) => fate !== 'agree' && fate !== 'refused')).toEqual([]);
    expect(unchanging.filter(({ fate }) => fate === 'refused').length).toBeLessThanOrEqual(2);
  });

  async function fateOf(built: Subject, registers: Registers): Promise<Fate> {
    try {
      const input = inputOf(built, registers);
      const options = { machines: [machine], required: true, coverage: 'edges', maxMismatches: 1 } as const;
      return (await verify(input, options)).verdict;
    } catch (error) {
      if (error instanceof InputError || (error instanceof MachineError && error.code === 'unfit')) {
        return 'refused';
      }
      throw error;
    }
  }
});

type RegisterName = 'tcr' | 'ttbr0' | 'ttbr1' | 'mair' | 'sctlr' | 'hcrEl2' | 'vtcr' | 'vttbr';

function bitsOf(registers: Readonly<Record<string, Fields>>) {
  return Object.entries(registers).flatMap(([register, fields]) =>
    fields.flatMap(([names, position, width, effect]) =>
      Array.from({ length: width }, (_, at) => ({
        register: register as RegisterName & keyof AArch64Registers,
        names,
        bit: position + at,
        effect,
      })),
    ),
  );
}

/** AttrIndx of every leaf. */
function attributesUsed({ image, layout }: { image: Subject['image']; layout: Layout }): number[] {
  return waysOf(image, layout).map(({ one }) => Number(((one.at(-1)?.value ?? 0n) >> 2n) & 7n));
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveGuest, TlbOperation } from '../../harness/live-guest.ts';
import type { Machine, MachineProvider } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { AARCH64_TLB_CASES } from '../../harness/tlb-suite/aarch64-cases.ts';
import type { CaseVerdict } from '../../harness/tlb-suite/judge-case.ts';
import type { TlbCase } from '../../harness/tlb-suite/tlb-case.ts';
import { tlbErrataOf } from '../../harness/tlb-suite/tlb-errata.ts';
import { runTlbSuite, type TlbResult } from '../../harness/tlb-suite/tlb-suite.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { maintenanceText, type PhysicalMemory, type TlbMaintenance } from '../../src/index.ts';
import { withGuest } from './with-guest.ts';

/** What both emulators show of a change where they have its regime: they keep neither table walks nor other ASIDs. */
const SHOWN: Readonly<Record<string, CaseVerdict>> = {
  'map a page that was not mapped': 'not needed',
  unmap: 'proven',
  'unmap 1024 pages': 'proven',
  'restrict: take writing away': 'proven',
  'restrict: forbid execution': 'proven',
  'relax: allow writing and execution': 'not needed',
  'remap to another frame, break-before-make': 'proven',
  'change the memory type (as AT says), break-before-make': 'enough',
  'split a 2 MiB block, break-before-make': 'proven',
  'break a contiguous run, its hint goes': 'proven',
  'make a contiguous run whole, its hint comes': 'proven',
  'give an empty table back': 'enough',
  'deactivate, the tables before come back': 'proven',
  'take EL0 access away, break-before-make': 'proven',
  'unmap a page that is not global': 'proven',
  'activate the tables of another ASID, page not global': 'not needed',
  'deactivate, another ASID before, page not global': 'not needed',
  'deactivate, another ASID before, global page': 'enough',
};

/** By machine, what else it shows: where a fetch faults before and after, Unicorn does not tell the levels apart. */
const OTHERWISE: Readonly<Record<string, Readonly<Record<string, CaseVerdict>>>> = {
  'qemu-aarch64': {},
  'unicorn-aarch64': {
    'EL1&0, lower half: map a page that was not mapped': 'not observable',
    'EL1&0, lower half: split a 2 MiB block, break-before-make': 'not observable',
    'EL1&0, upper half: split a 2 MiB block, break-before-make': 'not observable',
  },
};

/** The changes of EL2&0 that are invalidated by address: QEMU before 8.2 goes on with the old translation. */
const BY_ADDRESS = ['unmap', 'restrict: take writing away', 'remap to another frame, break-before-make'];

function expectedOf({ name, needs, regime: own }: TlbCase, machine: Machine): CaseVerdict | 'not run' {
  if (needs.some((feature) => !machine.capabilities.features.includes(feature))) return 'not run';
  if (machine.name === 'unicorn-aarch64' && needs.includes('stage 2')) return 'not run';
  const change = name.slice(name.indexOf(': ') + 2);
  const hasErratum = tlbErrataOf(machine).some(({ regime }) => regime === own);
  if (hasErratum && BY_ADDRESS.includes(change)) return 'erratum';
  return OTHERWISE[machine.name]?.[name] ?? (SHOWN[change] as CaseVerdict);
}

const caseNamed = (name: string) => AARCH64_TLB_CASES.find((tlbCase) => tlbCase.name === name) as TlbCase;

async function resultOf(tlbCase: TlbCase, machine: Machine): Promise<TlbResult> {
  for await (const result of runTlbSuite(machine, [tlbCase])) return result;
  throw new Error('the suite gave no result');
}

function opened(provider: MachineProvider): () => Machine {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());
  return () => machine;
}

describe.each([qemuAArch64, unicornAArch64])('the TLB of $name', (provider) => {
  const machine = opened(provider);

  test.each(AARCH64_TLB_CASES)('$name', async (tlbCase) => {
    const { verdict, detail } = await resultOf(tlbCase, machine());
    expect(verdict, detail).toBe(expectedOf(tlbCase, machine()));
  });

  test('a stale translation is called stale and never agreement', async () => {
    const { detail } = await resultOf(caseNamed('EL2: unmap'), machine());
    expect(detail).toBe('with the flush 3 of 3 current; without it 3 of 3 stale');
  });

  test('a guest that does not carry out its maintenance is found out', async () => {
    const deaf = withGuest(machine(), (guest) => ({ ...guest, invalidate: async () => {} }));
    for (const name of [
      'EL1&0, lower half: unmap',
      'EL1&0, upper half: restrict: take writing away',
      'EL2: deactivate, the tables before come back',
    ]) {
      const result = await resultOf(caseNamed(name), deaf);
      expect(result, name).toMatchObject({
        verdict: 'wrong',
        detail: expect.stringMatching(/outlived the invalidation of everything/),
      });
    }
  });

  test('a guest that never sees the change is found out, also where no flush is needed', async () => {
    const blind = withGuest(machine(), (guest) => ({ ...guest, update: async () => {} }));
    expect(await resultOf(caseNamed('EL2: map a page that was not mapped'), blind)).toMatchObject({
      verdict: 'wrong',
    });
  });

  test('a guest whose base register stays is found out', async () => {
    const stubborn = withGuest(machine(), (guest) => ({ ...guest, switchTables: async () => {} }));
    const deactivated = caseNamed('EL1&0, lower half: deactivate, the tables before come back');
    const { verdict } = await resultOf(deactivated, stubborn);
    expect(['wrong', 'not observable']).toContain(verdict);
  });

  test('where everything is flushed all the time, a flush is enough but not shown to be needed', async () => {
    const forgetful = withGuest(machine(), (guest) => ({
      ...guest,
      async update() {
        await guest.update();
        await guest.invalidate([{ kind: 'tlbi', name: 'VMALLE1IS', operand: undefined }]);
      },
    }));
    const unmapped = caseNamed('EL1&0, lower half: unmap');
    expect(await resultOf(unmapped, forgetful)).toMatchObject({ verdict: 'enough' });
  });
});

describe('what the cases carry out', () => {
  const machine = opened(qemuAArch64);
  const deactivated = 'deactivate, the tables before come back';

  test.each([
    ['EL1&0, lower half: unmap', ['vaae1is, 0x402ad']],
    ['EL1&0, upper half: unmap', ['vaae1is, 0xffff80402ad']],
    ['EL1&0, lower half: unmap 1024 pages', ['vmalle1is']],
    [`EL1&0, lower half: ${deactivated}`, ['vmalle1is']],
    ['EL1&0, lower half: split a 2 MiB block, break-before-make', ['vaae1is, 0x40200']],
    ['EL1&0, lower half: give an empty table back', ['vaae1is, 0x40200', 'vaae1is, 0x40000']],
    ['EL1&0, upper half, 64 KiB pages: unmap', ['vaae1is, 0xfffc00402a0']],
    ['EL2: unmap', ['vae2is, 0x402ad']],
    [`EL2: ${deactivated}`, ['alle2is']],
    ['EL2&0, lower half: unmap', ['vae2is, 0x10000000402ad']],
    ['EL2&0, lower half: unmap 1024 pages', ['alle2is']],
    ['EL3: unmap', ['vae3is, 0x402ad']],
    ['EL3: unmap 1024 pages', ['alle3is']],
    ['stage 2 alone: unmap', ['ipas2e1is, 0x402ad', 'vmalle1is']],
    ['stage 2 alone: unmap 1024 pages', ['vmalls12e1is']],
    [`stage 2 below stage 1: ${deactivated}`, ['alle1is']],
    ['EL1&0, lower half: map a page that was not mapped', []],
    ['EL1&0, lower half: activate the tables of another ASID, page not global', []],
  ] as const)('%s: TLBI %j', async (name, expected) => {
    const guest = await caseNamed(name).start(machine());
    const carriedOut = (await guest.change(true)) as TlbMaintenance;
    const invalidations = carriedOut.filter(({ kind }) => kind === 'tlbi');
    expect(invalidations.map((operation) => maintenanceText([operation]).replace('tlbi ', ''))).toEqual(
      expected,
    );
  });
});

describe('the cases of contiguous runs', () => {
  const machine = opened(unicornAArch64);
  const CONTIGUOUS = 1n << 52n;

  /** How many entries of the case's tables have the hint. */
  const hints = (memory: PhysicalMemory): number => {
    let count = 0;
    for (const { firstFrame, frameCount } of memory.ranges) {
      for (let entry = 0n; entry < BigInt(frameCount) * 512n; entry++) {
        const value = memory.readEntry(BigInt(firstFrame) * 4096n + entry * 8n) ?? 0n;
        if ((value & CONTIGUOUS) !== 0n) count++;
      }
    }
    return count;
  };

  test.each([
    ['break a contiguous run, its hint goes', 16, 0],
    ['make a contiguous run whole, its hint comes', 0, 16],
  ] as const)('%s: %i entries have it before, %i after', async (name, before, after) => {
    const guest = await caseNamed(`EL1&0, lower half: ${name}`).start(machine());
    expect(hints(guest.image.memory)).toBe(before);
    await guest.change(true);
    expect(hints(guest.image.memory)).toBe(after);
  });
});

describe('wrong maintenance is found out on QEMU, which ends fetches by their own address only', () => {
  const machine = opened(qemuAArch64);

  /** The guest with every operation changed, or dropped where undefined comes back. */
  const changing =
    (change: (operation: TlbOperation) => TlbOperation | undefined) =>
    (guest: LiveGuest): LiveGuest => ({
      ...guest,
      invalidate: (operations) =>
        guest.invalidate(operations.map(change).filter((operation) => operation !== undefined)),
    });
  const operand = (change: (value: bigint) => bigint) =>
    changing((operation) =>
      operation.kind === 'tlbi' && operation.operand !== undefined
        ? { ...operation, operand: change(operation.operand) }
        : operation,
    );
  const without = (name: string) =>
    changing((operation) => (operation.kind === 'tlbi' && operation.name === name ? undefined : operation));

  test.each([
    ['an operand that is a page off', 'EL1&0, lower half: unmap', operand((value) => value + 1n)],
    ['an address in the place of a page number', 'EL2: unmap', operand((value) => value << 12n)],
    ['an operand that is a page off', 'EL3: unmap', operand((value) => value + 1n)],
    ['no VMALLE1IS behind IPAS2E1IS', 'stage 2 alone: unmap', without('VMALLE1IS')],
    ['no VMALLE1IS behind IPAS2E1IS', 'stage 2 below stage 1: unmap', without('VMALLE1IS')],
    [
      'no ALLE1IS when stage 2 is deactivated',
      'stage 2 below stage 1: deactivate, the tables before come back',
      without('ALLE1IS'),
    ],
  ] as const)('%s (%s)', async (_what, name, change) => {
    expect(await resultOf(caseNamed(name), withGuest(machine(), change))).toMatchObject({
      verdict: 'wrong',
      detail: expect.stringMatching(/^the old translation outlived the promised flush/),
    });
  });

  test.each([
    ['with it', 'proven', (value: bigint) => value],
    ['without it', 'wrong', (value: bigint) => value & 0x7ff_ffffn],
    ['for the lower half', 'wrong', (value: bigint) => value ^ (1n << 43n)],
  ] as const)('the operand of the upper half has its high bits: %s', async (_what, verdict, change) => {
    const remapped = caseNamed('EL1&0, upper half: remap to another frame, break-before-make');
    const result = await resultOf(fetchedAtEl0(remapped), withGuest(machine(), operand(change)));
    expect(result).toMatchObject({ verdict });
  });
});

/** A case of which only the fetches at EL0 are made: then the stub has no other translations at EL0. */
function fetchedAtEl0(tlbCase: TlbCase): TlbCase {
  return {
    ...tlbCase,
    async start(machine) {
      const guest = await tlbCase.start(machine);
      const [low, high] = guest.accesses.words;
      const accesses = new AccessList(1);
      accesses.set(0, low as number, high as number, Access.Execute, Privilege.User);
      return {
        accesses,
        get image() {
          return guest.image;
        },
        change: (flushed) => guest.change(flushed),
        flushEverything: () => guest.flushEverything(),
        probe: (probes) => guest.probe(probes),
      };
    },
  };
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import type { CaseVerdict } from '../../harness/tlb-suite/judge-case.ts';
import type { TlbCase } from '../../harness/tlb-suite/tlb-case.ts';
import { runTlbSuite, type TlbResult } from '../../harness/tlb-suite/tlb-suite.ts';
import { X64_TLB_CASES } from '../../harness/tlb-suite/x64-cases.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { withGuest } from './with-guest.ts';

/** What both emulators show: they keep no global pages over a CR3 reload, and read an entry again before a fault. */
const SHOWN: Readonly<Record<string, CaseVerdict | 'not run'>> = {
  'map a page that was not mapped': 'not needed',
  unmap: 'proven',
  'remap to another frame': 'proven',
  'restrict: take writing away': 'proven',
  'restrict: take user access away': 'proven',
  'restrict: forbid execution': 'proven',
  'restrict the level 4 entry': 'proven',
  'relax: allow everything': 'not needed',
  'split a 2 MiB page': 'proven',
  'remap a global page, CR4.PGE = 1': 'proven',
  'remap a global page, CR4.PGE = 0': 'proven',
  'restrict the level 4 entry above a global page, CR4.PGE = 1': 'not kept',
  'restrict the level 4 entry above a global page, CR4.PGE = 0': 'proven',
  'unmap, CR4.PCIDE = 1': 'not run',
};

const caseNamed = (name: string) => X64_TLB_CASES.find((tlbCase) => tlbCase.name === name) as TlbCase;

describe.each([qemuX64, unicornX64])('the TLB of $name', (provider) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  const resultOf = async (tlbCase: TlbCase, on: Machine = machine): Promise<TlbResult> => {
    for await (const result of runTlbSuite(on, [tlbCase])) return result;
    throw new Error('the suite gave no result');
  };

  test.each(X64_TLB_CASES)('$name', async (tlbCase) => {
    expect(await resultOf(tlbCase)).toMatchObject({ name: tlbCase.name, verdict: SHOWN[tlbCase.name] });
  });

  test('a stale translation is called stale and never agreement', async () => {
    const { detail } = await resultOf(caseNamed('remap to another frame'));
    expect(detail).toBe('with the flush 6 of 6 current; without it 6 of 6 stale');
  });

  test('a guest that does not carry out its INVLPG is found out', async () => {
    const deaf = withGuest(machine, (guest) => ({ ...guest, invalidate: async () => {} }));
    for (const name of ['unmap', 'restrict: forbid execution', 'split a 2 MiB page']) {
      const result = await resultOf(caseNamed(name), deaf);
      expect(result, name).toMatchObject({
        verdict: 'wrong',
        detail: expect.stringMatching(/outlived the invalidation of everything/),
      });
    }
  });

  test('a guest that flushes too little is found out', async () => {
    const narrow = withGuest(machine, (guest) => ({
      ...guest,
      invalidate: (operations) => guest.invalidate(operations.filter(({ kind }) => kind !== 'invlpg')),
    }));
    expect(await resultOf(caseNamed('unmap'), narrow)).toMatchObject({
      verdict: 'wrong',
      detail: expect.stringMatching(/outlived the promised flush/),
    });
  });

  test('a guest that never sees the change is found out, also where no flush is needed', async () => {
    const blind = withGuest(machine, (guest) => ({ ...guest, update: async () => {} }));
    expect(await resultOf(caseNamed('map a page that was not mapped'), blind)).toMatchObject({
      verdict: 'wrong',
    });
  });

  test('where everything is flushed all the time, a flush is enough but not shown to be needed', async () => {
    const forgetful = withGuest(machine, (guest) => ({
      ...guest,
      async update() {
        await guest.update();
        await guest.invalidate([{ kind: 'toggle-pge' }]);
      },
    }));
    expect(await resultOf(caseNamed('unmap'), forgetful)).toMatchObject({ verdict: 'enough' });
  });
});

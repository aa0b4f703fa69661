import type { Architecture } from '../../src/registers.ts';
import type { Machine } from '../machine.ts';
import { AARCH64_TLB_CASES } from './aarch64-cases.ts';
import { type CaseVerdict, judgeCase } from './judge-case.ts';
import { runCase } from './run-case.ts';
import type { TlbCase } from './tlb-case.ts';
import { tlbErrataOf } from './tlb-errata.ts';
import { X64_TLB_CASES } from './x64-cases.ts';

/** What a machine showed of one change of live tables. */
export interface TlbResult {
  /** The case's name. */
  readonly name: string;
  readonly verdict: CaseVerdict | 'not run';
  /** The numbers, or why it was not run. */
  readonly detail: string;
}

const CASES: Readonly<Record<Architecture, readonly TlbCase[]>> = {
  x64: X64_TLB_CASES,
  aarch64: AARCH64_TLB_CASES,
};

/**
 * Puts every change of live tables to a machine, with the flushes that the mapper promises, or the TLB maintenance that
 * the mapping returns, and without.
 * @throws MachineError 'unfit' if the machine's tables cannot change while it runs
 */
export async function* runTlbSuite(
  machine: Machine,
  cases: readonly TlbCase[] = CASES[machine.capabilities.architecture],
): AsyncGenerator<TlbResult> {
  const errata = tlbErrataOf(machine);
  for (const tlbCase of cases) {
    const { name, needs } = tlbCase;
    if (needs !== undefined && !machine.capabilities.features.includes(needs)) {
      yield { name, verdict: 'not run', detail: `the machine has no ${needs}` };
    } else {
      yield { name, ...judgeCase(tlbCase, await runCase(machine, tlbCase), errata) };
    }
  }
}

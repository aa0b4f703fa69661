import type { Machine } from '../machine.ts';
import { type CaseVerdict, judgeCase } from './judge-case.ts';
import { runCase } from './run-case.ts';
import type { TlbCase } from './tlb-case.ts';
import { X64_TLB_CASES } from './x64-cases.ts';

/** What a machine showed of one change of live tables. */
export interface TlbResult {
  /** The case's name. */
  readonly name: string;
  readonly verdict: CaseVerdict | 'not run';
  /** The numbers, or why it was not run. */
  readonly detail: string;
}

/**
 * Puts every change of live tables to a machine, with the flushes that the mapper promises and without.
 * @throws MachineError 'unfit' if the machine's tables cannot change while it runs
 */
export async function* runTlbSuite(
  machine: Machine,
  cases: readonly TlbCase[] = X64_TLB_CASES,
): AsyncGenerator<TlbResult> {
  for (const tlbCase of cases) {
    const { name, needs } = tlbCase;
    if (needs !== undefined && !machine.capabilities.features.includes(needs)) {
      yield { name, verdict: 'not run', detail: `the machine has no ${needs}` };
    } else {
      yield { name, ...judgeCase(tlbCase, await runCase(machine, tlbCase)) };
    }
  }
}

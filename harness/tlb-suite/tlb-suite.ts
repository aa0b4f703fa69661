import type { Architecture } from '../../src/registers.ts';
import { type Machine, MachineError } from '../machine.ts';
import { AARCH64_TLB_CASES } from './aarch64-cases.ts';
import { type CaseVerdict, judgeCase } from './judge-case.ts';
import { runCase } from './run-case.ts';
import type { TlbCase } from './tlb-case.ts';
import { type TlbErratum, tlbErrataOf } from './tlb-errata.ts';
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
 * @throws MachineError 'unfit' if the machine's tables cannot change while it runs, whatever they are
 */
export async function* runTlbSuite(
  machine: Machine,
  cases: readonly TlbCase[] = CASES[machine.capabilities.architecture],
): AsyncGenerator<TlbResult> {
  const errata = tlbErrataOf(machine);
  for (const tlbCase of cases) {
    const { name, needs } = tlbCase;
    const lacking = needs.find((feature) => !machine.capabilities.features.includes(feature));
    if (lacking !== undefined) {
      yield { name, verdict: 'not run', detail: `the machine has no ${lacking}` };
    } else {
      yield { name, ...(await judged(machine, tlbCase, errata)) };
    }
  }
}

/** A case that the machine is unfit for is not run. */
async function judged(
  machine: Machine,
  tlbCase: TlbCase,
  errata: readonly TlbErratum[],
): Promise<Omit<TlbResult, 'name'>> {
  try {
    return judgeCase(tlbCase, await runCase(machine, tlbCase), errata);
  } catch (cause) {
    const isUnfit = cause instanceof MachineError && cause.code === 'unfit';
    if (!isUnfit || machine.loadLive === undefined) throw cause;
    return { verdict: 'not run', detail: cause.message };
  }
}

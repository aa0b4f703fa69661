import type { TlbiName } from '../../src/aarch64/mapping/tlb-maintenance.ts';
import type { TlbOperation } from '../live-guest.ts';
import type { CaseObservation, States } from './run-case.ts';
import type { TlbCase } from './tlb-case.ts';
import type { TlbErratum } from './tlb-errata.ts';

/**
 * What a case showed on a machine. The flush is that of a mapper's promise, or a mapping's TLB maintenance.
 *
 * - proven: without the flush the machine went on with the old translation; with it, it did not.
 * - enough: the flush is enough; without it the machine kept nothing either, so that it is needed is not shown.
 * - not needed: the architecture asks for no flush, promised or not; the machine kept nothing without it.
 * - stale: after the promised flush the old translation is still in force, as the architecture allows.
 * - not kept: as stale, but on this machine the old translation did not outlive the flush.
 * - wrong: what the architecture excludes.
 * - erratum: wrong, and known of this machine and version.
 * - not observable: the machine could not tell.
 */
export type CaseVerdict =
  | 'proven'
  | 'enough'
  | 'not needed'
  | 'stale'
  | 'not kept'
  | 'wrong'
  | 'erratum'
  | 'not observable';

export interface CaseJudgement {
  readonly verdict: CaseVerdict;
  /** A sentence with the numbers. */
  readonly detail: string;
}

/**
 * Compares what a machine did with what the architecture says.
 * @param errata the machine's
 */
export function judgeCase(
  tlbCase: Pick<TlbCase, 'withoutFlush' | 'regime'>,
  observation: CaseObservation,
  errata: readonly TlbErratum[] = [],
): CaseJudgement {
  const { withoutFlush, regime } = tlbCase;
  const { before, flushed, ignored, afterwards } = observation;
  const detail = `with the flush ${inWords(flushed)}; without it ${inWords(ignored)}`;
  const wrong = (what: string): CaseJudgement => ({ verdict: 'wrong', detail: `${what}: ${detail}` });
  if (before.astray > 0)
    return wrong(`${before.astray} accesses before the change did not follow the tables`);
  if (flushed.neither + ignored.neither + afterwards.neither > 0) {
    return wrong('accesses followed neither the old nor the new tables');
  }
  if (afterwards.stale > 0) return wrong('the old translation outlived the invalidation of everything');
  if (before.unknown > 0) {
    return { verdict: 'not observable', detail: `${before.unknown} accesses before the change; ${detail}` };
  }
  if ([flushed, ignored, afterwards].some(({ unknown }) => unknown > 0)) {
    return { verdict: 'not observable', detail };
  }
  if (flushed.current + flushed.stale === 0) return wrong('the change makes no difference to any access');
  if (withoutFlush === 'stale all the same') {
    return { verdict: flushed.stale > 0 ? 'stale' : 'not kept', detail };
  }
  if (flushed.stale > 0) {
    const erratum = errata.find(
      ({ operation, ...one }) => one.regime === regime && isMadeOf(observation.carriedOut, operation),
    );
    if (erratum !== undefined) return { verdict: 'erratum', detail: `${erratum.rule}: ${detail}` };
    return wrong('the old translation outlived the promised flush');
  }
  if (withoutFlush === 'nothing' && ignored.stale > 0)
    return wrong('a translation was cached that never was');
  if (ignored.stale > 0) return { verdict: 'proven', detail };
  return { verdict: withoutFlush === 'stale' ? 'enough' : 'not needed', detail };
}

/** Whether no other TLBI was carried out. */
function isMadeOf(operations: readonly TlbOperation[], name: TlbiName): boolean {
  const invalidations = operations.filter((operation) => operation.kind === 'tlbi');
  return invalidations.length > 0 && invalidations.every((operation) => operation.name === name);
}

/** "6 of 6 stale". */
function inWords({ current, stale, neither, unknown }: States): string {
  const total = current + stale + neither + unknown;
  const parts = Object.entries({ current, stale, neither, unknown }).filter(([, count]) => count > 0);
  return parts.map(([state, count]) => `${count} of ${total} ${state}`).join(', ');
}

import type { OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import type { Expectation } from './expectation.ts';
import { fulfils } from './expectation-check.ts';
import { faultKindOf } from './expectation-fault-kind.ts';
import type { Party } from './report.ts';
import { differs, FAULT_COLUMNS } from './verdict.ts';

/** What one party says of an access: either what is to be, or what is. */
export type Statement =
  | {
      readonly party: Party;
      readonly expectation: Expectation;
      /** The frame where the access should land; undefined if the party does not say. */
      readonly frame: number | undefined;
    }
  | { readonly party: Party; readonly outcomes: OutcomeList };

/** The access that is talked about. */
export interface SpokenOf {
  readonly registers: Registers;
  /** Its index in the outcome lists. */
  readonly index: number;
  /** `access + 3 × privilege`. */
  readonly kind: number;
  /** Offset in the page, in bytes. */
  readonly offset: number;
}

/**
 * The one party that contradicts all others while these agree among themselves; null if no single one does.
 * Of two parties neither is alone.
 */
export function partyAlone(statements: readonly Statement[], access: SpokenOf): Party | null {
  if (statements.length < 3) return null;
  const alone = statements.filter((candidate) => {
    const others = statements.filter((statement) => statement !== candidate);
    return (
      others.every((other) => !agree(candidate, other, access)) &&
      others.every((left, at) => others.slice(at + 1).every((right) => agree(left, right, access)))
    );
  });
  return alone.length === 1 ? (alone[0]?.party ?? null) : null;
}

/** Whether two statements say the same, as far as either goes. */
function agree(left: Statement, right: Statement, access: SpokenOf): boolean {
  const { registers, index, kind, offset } = access;
  if ('expectation' in left) {
    return 'expectation' in right
      ? left.expectation.byAccess[kind] === right.expectation.byAccess[kind]
      : fulfils({ ...left, kind, offset }, right.outcomes, index, faultKindOf(registers));
  }
  return 'expectation' in right
    ? agree(right, left, access)
    : !differs(left.outcomes, right.outcomes, index, FAULT_COLUMNS[registers.architecture]);
}

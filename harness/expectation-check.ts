import { SHAREABILITY_COLUMN_SHIFT } from '../src/aarch64/walk-memory-type.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { isStructuralFault, Known, type OutcomeList } from '../src/outcome-list.ts';
import { type Expectation, Expected } from './expectation.ts';
import type { FaultKindOf } from './expectation-fault-kind.ts';

/** A declared access: what is promised, and where it should land. */
export interface DeclaredAccess {
  readonly expectation: Expectation;
  /** `access + 3 × privilege`. */
  readonly kind: number;
  /** The frame that the declaration names for this page; undefined if it names none. */
  readonly frame: number | undefined;
  /** Offset of the access in its page. */
  readonly offset: number;
}

/**
 * Whether an outcome fulfils a declaration, as far as it is known: a column that is not known contradicts
 * nothing.
 */
export function fulfils(
  { expectation, kind, frame, offset }: DeclaredAccess,
  outcomes: OutcomeList,
  index: number,
  faultKind: FaultKindOf,
): boolean {
  const known = outcomes.known[index] as number;
  if ((known & Known.Completion) === 0) return true;
  const fault = outcomes.fault[index] as number;
  if (expectation.byAccess[kind] === Expected.Completes) {
    if (fault !== 0) return false;
    const { memoryTypes, shareability } = expectation;
    const column = outcomes.memoryType[index] as number;
    return (
      ((known & Known.PhysicalAddress) === 0 ||
        frame === undefined ||
        outcomes.physicalAddress[index] === frame * FRAME_SIZE + offset) &&
      ((known & Known.MemoryType) === 0 || memoryTypes[column & 0xff] !== 0) &&
      ((known & Known.Shareability) === 0 ||
        shareability === undefined ||
        column >>> SHAREABILITY_COLUMN_SHIFT === shareability)
    );
  }
  if (fault === 0 || isStructuralFault(fault)) return false;
  if ((known & Known.FaultStatus) === 0) return true;
  return (
    faultKind(outcomes, index) ===
    (expectation.byAccess[kind] === Expected.Unmapped ? 'unmapped' : 'forbidden')
  );
}

/**
 * Whether a prediction leaves open what is declared: of reserved encodings the architecture does not say which memory
 * type or shareability results, so that nobody may rely on the declared one.
 */
export function leavesOpen(
  { byAccess, shareability }: Expectation,
  kind: number,
  predicted: OutcomeList,
  index: number,
): boolean {
  if (byAccess[kind] !== Expected.Completes || predicted.fault[index] !== 0) return false;
  const known = predicted.known[index] as number;
  return (
    (known & Known.MemoryType) === 0 || (shareability !== undefined && (known & Known.Shareability) === 0)
  );
}

import {
  faultAddressDiffers,
  hpfarDiffers,
  isStructuralFault,
  Known,
  type OutcomeList,
} from '../src/outcome-list.ts';
import type { Architecture } from '../src/registers.ts';

/** What a verdict says of one probe. */
export const Judgement = {
  /** Whether it completes is known and as predicted, and so is every other column that the machine knows. */
  Agreed: 0,
  /** Something differs: observed from predicted, or declared from predicted. */
  Mismatched: 1,
  /** The machine could not tell whether the access completes. */
  NotObservable: 2,
} as const;
export type Judgement = (typeof Judgement)[keyof typeof Judgement];

/** Which bits of the `fault` column belong to which {@link Known} column. */
export interface FaultColumns {
  readonly classMask: number;
  readonly statusMask: number;
  readonly syndromeMask: number;
}

export const FAULT_COLUMNS: Readonly<Record<Architecture, FaultColumns>> = {
  /** Vector and error code, see x64Fault; all of the error code is its status. */
  x64: { classMask: 0xff00_0000, statusMask: 0x00ff_ffff, syndromeMask: 0xffff_ffff },
  /** ESR_ELx.EC and ESR_ELx.ISS.xFSC (Arm ARM D19.2.37). */
  aarch64: { classMask: 0xfc00_0000, statusMask: 0x0000_003f, syndromeMask: 0xffff_ffff },
};

const MEMORY_TYPE_MASK = 0x0ff;
const SHAREABILITY_MASK = 0x300;

/**
 * Whether an observation differs from the prediction in a column that both know. A walk that left the memory
 * has no counterpart on a machine: it differs from everything.
 */
export function differs(
  predicted: OutcomeList,
  observed: OutcomeList,
  index: number,
  columns: FaultColumns,
): boolean {
  const known = (predicted.known[index] as number) & (observed.known[index] as number);
  const predictedFault = predicted.fault[index] as number;
  const observedFault = observed.fault[index] as number;
  if (isStructuralFault(predictedFault)) return true;
  if (predictedFault === 0 && observedFault === 0) {
    const type = (predicted.memoryType[index] as number) ^ (observed.memoryType[index] as number);
    return (
      ((known & Known.PhysicalAddress) !== 0 &&
        predicted.physicalAddress[index] !== observed.physicalAddress[index]) ||
      ((known & Known.MemoryType) !== 0 && (type & MEMORY_TYPE_MASK) !== 0) ||
      ((known & Known.Shareability) !== 0 && (type & SHAREABILITY_MASK) !== 0)
    );
  }
  if (predictedFault === 0 || observedFault === 0) return true;
  const compared =
    ((known & Known.FaultClass) !== 0 ? columns.classMask : 0) |
    ((known & Known.FaultStatus) !== 0 ? columns.statusMask : 0) |
    ((known & Known.Syndrome) !== 0 ? columns.syndromeMask : 0);
  return (
    ((predictedFault ^ observedFault) & compared) !== 0 ||
    ((known & Known.FaultAddress) !== 0 && faultAddressDiffers(predicted, observed, index)) ||
    hpfarDiffers(predicted, observed, index)
  );
}

/**
 * Judges each probe of a chunk: observed against predicted, and declared against predicted. Errata are not
 * looked at here.
 *
 * @param contradicted a nonzero byte for each probe whose prediction contradicts the declaration
 */
export function judge(
  predicted: OutcomeList,
  observed: OutcomeList,
  columns: FaultColumns,
  contradicted?: Uint8Array,
): Uint8Array {
  const judgements = new Uint8Array(predicted.length);
  for (let index = 0; index < judgements.length; index++) {
    if (contradicted !== undefined && contradicted[index] !== 0) {
      judgements[index] = Judgement.Mismatched;
    } else if (isStructuralFault(predicted.fault[index] as number)) {
      judgements[index] = Judgement.Mismatched;
    } else if (((observed.known[index] as number) & Known.Completion) === 0) {
      judgements[index] = Judgement.NotObservable;
    } else if (differs(predicted, observed, index, columns)) {
      judgements[index] = Judgement.Mismatched;
    }
  }
  return judgements;
}

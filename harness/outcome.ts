import { OutcomeList } from '../src/outcome-list.ts';

/** One outcome taken out of an {@link OutcomeList}: what an erratum and a report look at. */
export interface Outcome {
  /** Bits of `Known`: which of the fields hold an answer. */
  readonly known: number;
  readonly fault: number;
  readonly faultAddress: bigint;
  readonly physicalAddress: number;
  readonly memoryType: number;
  /** As in OutcomeList; absent where nobody looked. */
  readonly hpfar?: bigint;
}

/** The outcome at `index`, as an object for people and for errata. */
export function outcomeAt(outcomes: OutcomeList, index: number): Outcome {
  return {
    known: outcomes.known[index] as number,
    fault: outcomes.fault[index] as number,
    faultAddress: outcomes.faultAddress[index] as bigint,
    physicalAddress: outcomes.physicalAddress[index] as number,
    memoryType: outcomes.memoryType[index] as number,
    ...(outcomes.hpfar !== undefined && { hpfar: outcomes.hpfar[index] as bigint }),
  };
}

/** The reverse of {@link outcomeAt}: a list of this one outcome. */
export function outcomeListOf(outcome: Outcome): OutcomeList {
  const list = new OutcomeList(1);
  list.known[0] = outcome.known;
  list.fault[0] = outcome.fault;
  list.faultAddress[0] = outcome.faultAddress;
  list.physicalAddress[0] = outcome.physicalAddress;
  list.memoryType[0] = outcome.memoryType;
  if (outcome.hpfar !== undefined) list.ensureHpfar()[0] = outcome.hpfar;
  return list;
}

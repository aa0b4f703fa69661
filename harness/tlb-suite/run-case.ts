import type { AccessList } from '../../src/access-list.ts';
import { FRAME_SIZE } from '../../src/addresses.ts';
import { Known, OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';
import type { TlbOperation } from '../live-guest.ts';
import type { GuestImage, Machine } from '../machine.ts';
import { differs, FAULT_COLUMNS, type FaultColumns } from '../verdict.ts';
import type { CaseGuest, TlbCase } from './tlb-case.ts';

/** What accesses said after a change: how many followed which state of the tables. */
export interface States {
  /** The tables as they are. Accesses that the change does not concern, and that say so, are not counted. */
  readonly current: number;
  /** The tables as they were before the change. */
  readonly stale: number;
  /** Neither, or what the change does not concern has changed. */
  readonly neither: number;
  /** The machine cannot tell, or not which. */
  readonly unknown: number;
}

/** How accesses before a change, which fill the TLB, compare with the tables as they were then. */
export interface Preparation {
  /** Those that did not follow the tables. */
  readonly astray: number;
  /** Those of which the machine cannot tell. */
  readonly unknown: number;
}

/** What a machine did with a change. */
export interface CaseObservation {
  /** Before the change. */
  readonly before: Preparation;
  /** After the flushes. */
  readonly flushed: States;
  /** Without them. */
  readonly ignored: States;
  /** Without them at first, then with everything invalidated. */
  readonly afterwards: States;
  /** The flushes, where they are known one by one. */
  readonly carriedOut: readonly TlbOperation[];
}

/** Puts a change to a machine, with its flushes and without. @throws MachineError */
export async function runCase(machine: Machine, tlbCase: TlbCase): Promise<CaseObservation> {
  const kept = await CaseRun.start(machine, tlbCase);
  const carriedOut = await kept.guest.change(true);
  const flushed = await kept.observe();
  const waived = await CaseRun.start(machine, tlbCase);
  await waived.guest.change(false);
  const ignored = await waived.observe();
  await waived.guest.flushEverything();
  const afterwards = await waived.observe();
  const before = {
    astray: kept.preparation.astray + waived.preparation.astray,
    unknown: kept.preparation.unknown + waived.preparation.unknown,
  };
  return { before, flushed, ignored, afterwards, carriedOut };
}

/** One guest under the tables of a case. */
class CaseRun {
  readonly guest: CaseGuest;
  readonly preparation: Preparation;
  readonly #before: OutcomeList;

  private constructor(guest: CaseGuest, before: OutcomeList, preparation: Preparation) {
    this.guest = guest;
    this.preparation = preparation;
    this.#before = before;
  }

  /** Installs the tables before the change, and fills the TLB by probing them. */
  static async start(machine: Machine, tlbCase: TlbCase): Promise<CaseRun> {
    const guest = await tlbCase.start(machine);
    const { accesses, image } = guest;
    const before = predict(image, accesses);
    const { outcomes } = await guest.probe({ accesses, expectedFrames: framesOf(before) });
    const columns = FAULT_COLUMNS[image.registers.architecture];
    const preparation = { astray: 0, unknown: 0 };
    for (let index = 0; index < accesses.length; index++) {
      if (differs(before, outcomes, index, columns)) preparation.astray++;
      else if (!isPlaced(outcomes, index)) preparation.unknown++;
    }
    return new CaseRun(guest, before, preparation);
  }

  /** Probes again, and says which state of the tables each access followed. */
  async observe(): Promise<States> {
    const { accesses, image } = this.guest;
    const now = predict(image, accesses);
    const { outcomes } = await this.guest.probe({ accesses, expectedFrames: framesOf(now) });
    const columns = FAULT_COLUMNS[image.registers.architecture];
    const states = { current: 0, stale: 0, neither: 0, unknown: 0 };
    for (let index = 0; index < accesses.length; index++) {
      const state = stateOf(this.#before, now, outcomes, index, columns);
      if (state !== 'unconcerned') states[state]++;
    }
    return states;
  }
}

function stateOf(
  before: OutcomeList,
  now: OutcomeList,
  observed: OutcomeList,
  index: number,
  columns: FaultColumns,
): keyof States | 'unconcerned' {
  const isConcerned = differs(before, now, index, columns);
  if (((observed.known[index] as number) & Known.Completion) === 0) return 'unknown';
  const isCurrent = !differs(now, observed, index, columns);
  if (!isConcerned) return isCurrent ? 'unconcerned' : 'neither';
  const isStale = !differs(before, observed, index, columns);
  if (isCurrent && isStale) return 'unknown';
  if (isCurrent) return 'current';
  return isStale ? 'stale' : 'neither';
}

/** Whether an outcome says that an access faulted, or where it went. */
function isPlaced({ known, fault }: OutcomeList, index: number): boolean {
  const needed = fault[index] === 0 ? Known.PhysicalAddress : Known.Completion;
  return ((known[index] as number) & needed) !== 0;
}

function predict({ memory, registers }: GuestImage, accesses: AccessList): OutcomeList {
  const outcomes = new OutcomeList(accesses.length);
  createWalker(memory, registers).predict(accesses, outcomes);
  return outcomes;
}

function framesOf(outcomes: OutcomeList): Float64Array {
  return outcomes.physicalAddress.map((at) => (at < 0 ? -1 : Math.floor(at / FRAME_SIZE)));
}

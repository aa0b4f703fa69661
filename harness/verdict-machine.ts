import { decodeAArch64Fault, intermediatePageOf } from '../src/aarch64/walk-fault.ts';
import { ACCESS_NAMES } from '../src/access-list.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import {
  HPFAR_NONE,
  HPFAR_OPEN,
  isStructuralFault,
  type OutcomeList,
  Translated,
} from '../src/outcome-list.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';
import type { Observations } from './machine.ts';
import { outcomeAt } from './outcome.ts';
import {
  type AppliedErratum,
  type ColumnCounts,
  type Mismatch,
  NO_COLUMNS,
  NOTHING_COMPARED,
} from './report.ts';
import { FAULT_COLUMNS, Judgement, judge } from './verdict.ts';
import type { MismatchLog } from './verdict-log.ts';
import { type DeclaredChunk, describeMismatch, type MismatchContext } from './verdict-mismatches.ts';
import type { TableFinding } from './verdict-tables.ts';
import { countColumns, Tally } from './verdict-tally.ts';

/** The reason of a probe that the machine gave none for. */
const NO_REMARK = 'the machine could not tell whether the access completes';

/** A judged part of the plan. */
export interface JudgedChunk extends DeclaredChunk {
  /** Number of the chunk's first point in the whole plan. */
  readonly firstPoint: number;
  /** A nonzero byte for each probe whose prediction contradicts the declaration. */
  readonly contradicted: Uint8Array | undefined;
}

/** The verdict on one machine, chunk by chunk. */
export class MachineVerdict {
  readonly machine: string;
  readonly notObservable = new Tally();
  readonly #errata = new Map<Erratum, number>();
  probes = 0;
  agreed = 0;
  translatedOnly = 0;
  mismatched = 0;
  columns: ColumnCounts = NO_COLUMNS;
  readonly #context: MismatchContext;
  readonly #knownErrata: readonly Erratum[];
  readonly #log: MismatchLog;

  constructor(machine: string, context: MismatchContext, knownErrata: readonly Erratum[], log: MismatchLog) {
    this.machine = machine;
    this.#context = context;
    this.#knownErrata = knownErrata;
    this.#log = log;
  }

  /** Which errata applied, and to how many probes. */
  get errataApplied(): readonly AppliedErratum[] {
    return [...this.#errata].map(([{ rule, description }, count]) => ({ rule, description, count }));
  }

  /** Judges what the machine answered to a chunk. */
  judge(part: JudgedChunk, { outcomes, remarks }: Observations): void {
    const { chunk, contradicted } = part;
    const columns = FAULT_COLUMNS[this.#context.registers.architecture];
    const judgements = judge(chunk.predicted, outcomes, columns, contradicted);
    for (let index = 0; index < judgements.length; index++) {
      switch (judgements[index]) {
        case Judgement.Agreed:
          if (isTranslatedOnly(outcomes, index)) this.translatedOnly++;
          else this.agreed++;
          break;
        case Judgement.NotObservable:
          this.notObservable.add(remarks.get(index) ?? NO_REMARK);
          break;
        default:
          this.#judgeDeviation(part, outcomes, index, remarks.get(index));
      }
    }
    this.probes += judgements.length + chunk.notMade.length;
    for (const { reason } of chunk.notMade) this.notObservable.add(reason);
    this.columns = countColumns(this.columns, outcomes);
  }

  /** Logs that the tables are not as they should be after the probes. */
  addTableFinding({ address, what }: TableFinding): void {
    const mismatch: Mismatch = {
      machine: this.machine,
      address: hex(address),
      access: 'write',
      privilege: 'supervisor',
      ...NOTHING_COMPARED,
      remark: what,
    };
    this.#log.add(`${this.machine} tables`, Number.NaN, mismatch.address, what, () => mismatch);
  }

  #judgeDeviation(part: JudgedChunk, observed: OutcomeList, index: number, remark: string | undefined): void {
    const { chunk, contradicted } = part;
    const { accesses } = chunk.probes;
    const isExcusable = contradicted?.[index] !== 1;
    const erratum = isExcusable ? this.#erratumFor(part, observed, index) : undefined;
    if (erratum !== undefined) {
      this.#errata.set(erratum, (this.#errata.get(erratum) ?? 0) + 1);
      return;
    }
    this.mismatched++;
    const point = chunk.pointOf[index] as number;
    const access = `${accesses.privilege(index)} ${ACCESS_NAMES[accesses.access(index)]}`;
    this.#log.add(
      `${this.machine} ${access}`,
      part.firstPoint + point,
      hex(accesses.address(index)),
      `${part.regions?.[point]} ${shapeOf(accesses.address(index), chunk.predicted, index)} ${shapeOf(accesses.address(index), observed, index)}`,
      () => describeMismatch(this.#context, part, this.machine, observed, index, remark),
    );
  }

  #erratumFor({ chunk }: JudgedChunk, observed: OutcomeList, index: number): Erratum | undefined {
    if (this.#knownErrata.length === 0 || isStructuralFault(chunk.predicted.fault[index] as number)) {
      return undefined;
    }
    const { accesses } = chunk.probes;
    const { registers, memory, walker } = this.#context;
    const address = accesses.address(index);
    const probe: DeviatingProbe = {
      address,
      access: accesses.access(index),
      privilege: accesses.privilege(index),
      flags: accesses.flags(index),
      pkru: accesses.pkru(index),
      predicted: outcomeAt(chunk.predicted, index),
      observed: outcomeAt(observed, index),
      registers,
      memory,
      explain: () => walker.explain(address),
    };
    return this.#knownErrata.find((erratum) => erratum.explains(probe));
  }
}

/** Whether no access was made: an address translation instruction answered alone. */
function isTranslatedOnly({ translated }: OutcomeList, index: number): boolean {
  return translated !== undefined && ((translated[index] as number) & Translated.Everything) !== 0;
}

/** What neighbouring outcomes of one kind have in common: addresses count relative to the access. */
function shapeOf(address: bigint, outcomes: OutcomeList, index: number): string {
  const { known, fault, physicalAddress, memoryType, hpfar } = outcomeAt(outcomes, index);
  return fault === 0
    ? `${known} ${BigInt(physicalAddress) - address} ${memoryType}`
    : `${known} fault ${fault} ${hpfar === undefined ? '' : hpfarShape(address, fault, hpfar)}`;
}

/** As {@link shapeOf}; neighbours whose table is out of reach share its address, others have their own. */
function hpfarShape(address: bigint, fault: number, hpfar: bigint): bigint {
  if (hpfar === HPFAR_NONE || hpfar === HPFAR_OPEN || decodeAArch64Fault(fault).stageOneWalk) return hpfar;
  return intermediatePageOf(hpfar) - (address & -FRAME_BYTES);
}

const FRAME_BYTES = BigInt(FRAME_SIZE);

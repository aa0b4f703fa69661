import type { StageDeviation } from '../src/aarch64/walk-deviation.ts';
import { createAArch64Walker } from '../src/aarch64/walker.ts';
import { type Access, AccessList } from '../src/access-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { isStructuralFault, OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import type { Walker } from '../src/walker.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';
import { type Outcome, outcomeAt, outcomeListOf } from './outcome.ts';
import { differs, FAULT_COLUMNS } from './verdict.ts';

/** An erratum of AArch64 machines whose mechanism is a walk that goes another way. */
export interface WalkErratum extends Omit<Erratum, 'machine' | 'explains'> {
  readonly deviation?: StageDeviation;
  /** The accesses that go the other way; all of them if absent. */
  readonly accesses?: readonly Access[];
  /** Where no stage tells it: what becomes of the outcome that the walk predicts. */
  readonly outcome?: (predicted: Outcome, probe: DeviatingProbe) => Outcome;
}

/**
 * The errata of one machine. A rule accounts for an observation if a walk that departs from the architecture by the
 * machine's rules ends in just that, in every column that is known, and without this rule does not.
 */
export function walkErrata(machine: string, rules: readonly WalkErratum[]): Erratum[] {
  const walks = new DeviatingWalks();
  return rules.map((own) => {
    const { deviation: _deviation, accesses: _accesses, outcome: _outcome, ...said } = own;
    const explains = (probe: DeviatingProbe) => {
      const all = rules.filter(({ accesses }) => accesses?.includes(probe.access) ?? true);
      const others = all.filter((rule) => rule !== own);
      return others.length < all.length && walks.endAs(probe, all) && !walks.endAs(probe, others);
    };
    return { ...said, machine, explains };
  });
}

/** Walkers by the rules that they depart by, kept while one image is looked at. */
class DeviatingWalks {
  #memory: PhysicalMemory | undefined;
  #registers: Registers | undefined;
  readonly #walkers = new Map<string, Walker>();

  /** Whether a walk by `rules` ends in what was observed. */
  endAs(probe: DeviatingProbe, rules: readonly WalkErratum[]): boolean {
    const { address, access, privilege, flags, pkru, observed } = probe;
    const accesses = new AccessList(1);
    const outcomes = new OutcomeList(1);
    accesses.set(0, Number(address & 0xffff_ffffn), Number(address >> 32n), access, privilege, flags, pkru);
    const walker = this.#walkerBy(rules, probe);
    if (walker === undefined) return false;
    walker.predict(accesses, outcomes);
    let expected = outcomeAt(outcomes, 0);
    for (const { outcome } of rules) expected = outcome?.(expected, probe) ?? expected;
    if (isStructuralFault(expected.fault)) return isStructuralFault(observed.fault);
    return !differs(outcomeListOf(expected), outcomeListOf(observed), 0, FAULT_COLUMNS.aarch64);
  }

  #walkerBy(rules: readonly WalkErratum[], { memory, registers }: DeviatingProbe): Walker | undefined {
    if (registers.architecture !== 'aarch64') return undefined;
    if (this.#memory !== memory || this.#registers !== registers) {
      this.#walkers.clear();
      this.#memory = memory;
      this.#registers = registers;
    }
    const key = rules.map(({ rule }) => rule).join(' ');
    const known = this.#walkers.get(key);
    if (known !== undefined) return known;
    const walker = createAArch64Walker(memory, registers, deviationBy(rules));
    this.#walkers.set(key, walker);
    return walker;
  }
}

/** The deviations of several rules, one after the other. */
export function deviationBy(rules: readonly WalkErratum[]): StageDeviation {
  const deviations = rules.map(({ deviation = {} }) => deviation);
  return {
    stageOne: (stage, registers) =>
      deviations.reduce((one, { stageOne }) => stageOne?.(one, registers) ?? one, stage),
    stageTwo: (stage, registers) =>
      deviations.reduce((two, { stageTwo }) => stageTwo?.(two, registers) ?? two, stage),
    combinedTypes: (one, two, types) =>
      deviations.reduce((all, { combinedTypes }) => combinedTypes?.(one, two, all) ?? all, types),
    tableFaultStatus: (status, level) =>
      deviations.reduce((code, { tableFaultStatus }) => tableFaultStatus?.(code, level) ?? code, status),
  };
}

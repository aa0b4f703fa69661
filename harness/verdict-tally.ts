import { Known, type OutcomeList, Translated } from '../src/outcome-list.ts';
import type { ColumnCounts, Counted } from './report.ts';

/** Counts by name, in the order of first appearance. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  get total(): number {
    return this.entries.reduce((sum, { count }) => sum + count, 0);
  }

  get entries(): readonly Counted[] {
    return [...this.#counts].map(([what, count]) => ({ what, count }));
  }
}

/** The sum of `counts` and what the machine knew of one more list of outcomes. */
export function countColumns(
  counts: ColumnCounts,
  { known, fault, translated, length }: OutcomeList,
): ColumnCounts {
  let { completed, physicalAddress, memoryType, faulted, faultStatus, faultAddress } = counts;
  const byTranslation = { ...counts.byTranslation };
  for (let index = 0; index < length; index++) {
    const bits = known[index] as number;
    const said = translated === undefined ? 0 : (translated[index] as number);
    if ((bits & Known.Completion) === 0 || (said & Translated.Everything) !== 0) continue;
    if (fault[index] === 0) {
      completed++;
      if ((bits & Known.PhysicalAddress) !== 0) physicalAddress++;
      if ((bits & Known.MemoryType) !== 0) memoryType++;
      if ((said & Translated.PhysicalAddress) !== 0) byTranslation.physicalAddress++;
      if ((said & Translated.MemoryType) !== 0) byTranslation.memoryType++;
    } else {
      faulted++;
      if ((bits & Known.FaultStatus) !== 0) faultStatus++;
      if ((bits & Known.FaultAddress) !== 0) faultAddress++;
      if ((said & Translated.FaultStatus) !== 0) byTranslation.faultStatus++;
    }
  }
  return { completed, physicalAddress, memoryType, faulted, faultStatus, faultAddress, byTranslation };
}

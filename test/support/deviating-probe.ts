import type { DeviatingProbe, Erratum } from '../../harness/errata.ts';
import { type Outcome, outcomeAt } from '../../harness/outcome.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { OutcomeList } from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';

/** One access to an image, and the columns of a machine's answer that are other than the walker's. */
export interface Deviation {
  readonly address: bigint;
  readonly access?: Access;
  readonly privilege?: Privilege;
  readonly observed: Partial<Outcome>;
}

/** An access as errata see it: what the walker says, and an answer that differs in some columns. */
export function deviatingProbe(
  { memory, registers }: { readonly memory: PhysicalMemory; readonly registers: AArch64Registers },
  { address, access = Access.Read, privilege = Privilege.Supervisor, observed }: Deviation,
): DeviatingProbe {
  const accesses = new AccessList(1);
  const outcomes = new OutcomeList(1);
  accesses.set(0, Number(address & 0xffff_ffffn), Number(address >> 32n), access, privilege);
  const walker = createWalker(memory, registers);
  walker.predict(accesses, outcomes);
  const predicted = outcomeAt(outcomes, 0);
  return {
    address,
    access,
    privilege,
    flags: 0,
    pkru: 0,
    predicted,
    observed: { ...predicted, ...observed },
    registers,
    memory,
    explain: () => walker.explain(address),
  };
}

/** The rules that account for a deviation. */
export function rulesThatExplain(
  errata: readonly Erratum[],
  ...[image, deviation]: Parameters<typeof deviatingProbe>
): string[] {
  const probe = deviatingProbe(image, deviation);
  return errata.filter((erratum) => erratum.explains(probe)).map(({ rule }) => rule);
}

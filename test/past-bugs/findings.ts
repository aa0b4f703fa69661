import type { Mismatch, MismatchGroup, Report } from '../../harness/report.ts';
import { TABLES } from '../../harness/verdict-leaves.ts';
import { ENGINE } from '../../harness/verdict-queried.ts';

/** r, w, x; s for the level under test, u for EL0. */
export type Kind = 'rs' | 'ws' | 'xs' | 'ru' | 'wu' | 'xu';
export const SUPERVISOR: readonly Kind[] = ['rs', 'ws', 'xs'];
export const ALL: readonly Kind[] = [...SUPERVISOR, 'ru', 'wu', 'xu'];

/** What a report says of one run of addresses and one kind of access. */
export interface Finding {
  readonly region: string | null;
  /** Addresses of the first and the last slot. */
  readonly first: string;
  readonly last: string;
  readonly kind: Kind;
  /** What the walker predicts: "completes", "translation fault level 3", or the memory type of a wrong one. */
  readonly predicted: string;
  /** Only where the machine answers otherwise. */
  readonly observed?: string;
  /** Who stands against all others. */
  readonly alone: Mismatch['alone'];
}

type Shared = Pick<Finding, 'predicted' | 'observed' | 'alone'>;

/** One finding for each kind of access. */
export function findings(
  [region, first, last]: readonly [string | null, string, string],
  kinds: readonly Kind[],
  shared: Shared,
): Finding[] {
  return kinds.map((kind) => ({ region, first, last, kind, ...shared }));
}

/** What a report says of the machine's probes. */
export function findingsOf({ groups }: Report): Finding[] {
  return groups.filter(({ example }) => ![ENGINE, TABLES].includes(example.machine)).map(findingOf);
}

/** The first pages of which queryMemoryRegion contradicts the declaration. */
export function contradictedByQuery(report: Report): string[] {
  return firstPagesOf(report, ENGINE);
}

/** The first pages of runs that the Contiguous bit wrongly joins. */
export function brokenRuns(report: Report): string[] {
  return firstPagesOf(report, TABLES);
}

function firstPagesOf({ groups }: Report, party: string): string[] {
  return groups.filter(({ example }) => example.machine === party).map(({ first }) => first);
}

function findingOf({ first, last, example }: MismatchGroup): Finding {
  const { region, access, privilege, alone } = example;
  const predicted = essence(example, example.predicted);
  const observed = essence(example, example.observed);
  const kind = `${access === 'execute' ? 'x' : access[0]}${privilege[0]}` as Kind;
  return { region, first, last, kind, predicted, ...(observed !== predicted && { observed }), alone };
}

const FAULT = /(address size|translation|access flag|permission) fault level -?\d/;
const MEMORY_TYPE = /, (.*), (?:non-|inner |outer )shareable$/;

/** The kind of a fault, or of a completion that was declared the memory type. */
function essence({ declared }: Mismatch, outcome: Mismatch['predicted']): string {
  if (outcome === null) return 'nothing';
  if (!outcome.completes) return FAULT.exec(outcome.text)?.[0] ?? outcome.text;
  const isDeclared = declared?.text.endsWith('completes') ?? false;
  return isDeclared ? (MEMORY_TYPE.exec(outcome.text)?.[1] ?? outcome.text) : 'completes';
}

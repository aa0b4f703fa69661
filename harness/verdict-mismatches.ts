import { ACCESS_NAMES, PRIVILEGE_NAMES } from '../src/access-list.ts';
import { type Address, FRAME_SIZE, hex } from '../src/addresses.ts';
import { PageTableError } from '../src/errors.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { memoryAttributeNames } from '../src/memory-attributes.ts';
import { Known, type OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import type { Walker } from '../src/walker.ts';
import {
  type Expectation,
  Expected,
  expectationOf,
  type PageStatement,
  permissionControls,
} from './expectation.ts';
import { leavesOpen } from './expectation-check.ts';
import type { Declaration } from './expectation-declaration.ts';
import { statementText } from './expectation-text.ts';
import { outcomeAt } from './outcome.ts';
import { reportOutcome } from './outcome-text.ts';
import type { PlanChunk } from './plan.ts';
import { pageOfPoint } from './plan-points.ts';
import type { Mismatch, ReportedAttributes } from './report.ts';
import { partyAlone, type Statement } from './verdict-parties.ts';

/** Who has a say in a mismatch, beside the machine. */
export interface MismatchContext {
  readonly registers: Registers;
  readonly memory: PhysicalMemory;
  readonly walker: Pick<Walker, 'explain'>;
  readonly declaration: Declaration | undefined;
  /** What the engine says of the page at an address; undefined for "no mapping". */
  readonly query: ((address: Address) => PageStatement | undefined) | undefined;
}

/** A chunk with what is declared for its points. */
export interface DeclaredChunk {
  readonly chunk: PlanChunk;
  /** The region of each point, see Declaration.regionsOf; undefined without a declaration. */
  readonly regions: Int32Array | undefined;
}

/** The remark on a prediction that leaves open what is declared. */
const LEFT_OPEN =
  'the tables hold a reserved encoding, of which the architecture leaves open what memory type and shareability it is';

interface Voice {
  readonly statement: Statement | undefined;
  readonly text: ReportedAttributes;
}

/** Puts a mismatching probe into words: everyone who has a say, side by side. */
export function describeMismatch(
  context: MismatchContext,
  declaredChunk: DeclaredChunk,
  machine: string,
  observed: OutcomeList,
  index: number,
  remark?: string,
): Mismatch {
  const { architecture } = context.registers;
  const { chunk } = declaredChunk;
  const { accesses } = chunk.probes;
  const address = accesses.address(index);
  const access = accesses.access(index);
  const privilege = accesses.privilege(index);
  const kind = access + 3 * privilege;
  const declared = declaredVoice(context, declaredChunk, index, kind);
  const queried = queriedVoice(context, address, kind);
  const promise = declared?.statement;
  const isOpen =
    promise !== undefined &&
    'expectation' in promise &&
    leavesOpen(promise.expectation, kind, chunk.predicted, index);
  const isObserved = ((observed.known[index] as number) & Known.Completion) !== 0;
  const statements: readonly (Statement | undefined)[] = [
    declared?.statement,
    queried?.statement,
    { party: 'predicted', outcomes: chunk.predicted },
    isObserved ? { party: 'observed', outcomes: observed } : undefined,
  ];
  return {
    machine,
    address: hex(address),
    access: ACCESS_NAMES[access],
    privilege: PRIVILEGE_NAMES[privilege],
    region: regionOf(context, declaredChunk, index)?.name ?? null,
    declared: declared?.text ?? null,
    queried: queried?.text ?? null,
    predicted: reportOutcome(outcomeAt(chunk.predicted, index), architecture),
    observed: reportOutcome(outcomeAt(observed, index), architecture),
    alone: partyAlone(
      statements.filter((statement) => statement !== undefined),
      { registers: context.registers, index, kind, offset: Number(address % BigInt(FRAME_SIZE)) },
    ),
    ...(remark !== undefined ? { remark } : isOpen && { remark: LEFT_OPEN }),
  };
}

function regionOf({ declaration }: MismatchContext, { chunk, regions }: DeclaredChunk, index: number) {
  const region = regions?.[chunk.pointOf[index] as number];
  return region === undefined ? undefined : declaration?.regions[region];
}

function declaredVoice(
  context: MismatchContext,
  declaredChunk: DeclaredChunk,
  index: number,
  kind: number,
): Voice | undefined {
  const { chunk, regions } = declaredChunk;
  const point = chunk.pointOf[index] as number;
  const expectation = regions && context.declaration?.expectation(regions[point] as number);
  if (expectation === undefined) return undefined;
  const region = regionOf(context, declaredChunk, index);
  const frame = region && pageOfPoint(chunk.points[point] as number) - region.firstPage + region.firstFrame;
  return {
    statement: { party: 'declared', expectation, frame },
    text: reportAttributes(region, expectation, kind),
  };
}

function queriedVoice(
  { query, registers }: MismatchContext,
  address: bigint,
  kind: number,
): Voice | undefined {
  if (query === undefined) return undefined;
  try {
    const said = query(address);
    const expectation = queriedExpectation(said, registers);
    return {
      statement: { party: 'queried', expectation, frame: undefined },
      text: reportAttributes(said, expectation, kind),
    };
  } catch (error) {
    if (!(error instanceof PageTableError)) throw error;
    return { statement: undefined, text: { attributes: null, text: error.message } };
  }
}

/** What the engine's answer means for accesses. On x64 it says nothing of memory types. */
export function queriedExpectation(said: PageStatement | undefined, registers: Registers): Expectation {
  const expectation = expectationOf(said, permissionControls(registers));
  return registers.architecture === 'x64'
    ? { ...expectation, memoryTypes: new Uint8Array(256).fill(1) }
    : expectation;
}

const EXPECTED_TEXT: Readonly<Record<Expected, string>> = {
  [Expected.Completes]: 'completes',
  [Expected.Unmapped]: 'faults: nothing is mapped',
  [Expected.Forbidden]: 'faults: not permitted',
};

/** What is said of a page in words, and what it means for one access. */
export function reportAttributes(
  said: PageStatement | undefined,
  { byAccess }: Expectation,
  kind: number,
): ReportedAttributes {
  const names = said === undefined ? null : memoryAttributeNames(said.attributes);
  const what = said === undefined ? 'unmapped' : statementText(said) || 'no attributes';
  return { attributes: names, text: `${what} → ${EXPECTED_TEXT[byAccess[kind] as Expected]}` };
}

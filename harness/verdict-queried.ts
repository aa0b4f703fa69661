import { ACCESS_NAMES, PRIVILEGE_NAMES } from '../src/access-list.ts';
import { hex } from '../src/addresses.ts';
import { type Expectation, Expected, type PageStatement } from './expectation.ts';
import { type Declaration, UNDECLARED } from './expectation-declaration.ts';
import { statementText } from './expectation-text.ts';
import { pageOfPoint } from './plan-points.ts';
import type { Mismatch } from './report.ts';
import type { MismatchLog } from './verdict-log.ts';
import type { JudgedChunk } from './verdict-machine.ts';
import { type MismatchContext, queriedExpectation, reportAttributes } from './verdict-mismatches.ts';

/** The name under which the engine's own contradictions are reported. */
export const ENGINE = 'engine';

/**
 * Holds what the engine's queryMemoryRegion says of a page against what is declared for it, for every point
 * of a plan.
 */
export class QueryVerdict {
  mismatched = 0;
  readonly #context: MismatchContext;
  readonly #log: MismatchLog;
  /** By what was said: of pages alike that is the same object. */
  #last: Compared | undefined;
  readonly #expectations = new Map<PageStatement | undefined, Expectation>();

  constructor(context: MismatchContext, log: MismatchLog) {
    this.#context = context;
    this.#log = log;
  }

  judge({ chunk, regions, firstPoint }: JudgedChunk): void {
    const { declaration, query } = this.#context;
    if (declaration === undefined || query === undefined || regions === undefined) return;
    let lastPage = -1;
    for (let point = 0; point < chunk.points.length; point++) {
      const page = pageOfPoint(chunk.points[point] as number);
      const region = regions[point] as number;
      const declared = declaration.expectation(region);
      if (declared === undefined || region === UNDECLARED || page === lastPage) continue;
      lastPage = page;
      const address = BigInt(page) << 12n;
      const said = query(address);
      const queried = this.#expectationOf(said);
      const kind = this.#differenceOf(declared, queried);
      if (kind === undefined) continue;
      this.mismatched++;
      const shape = `${region} ${said === undefined ? '' : statementText(said)}`;
      this.#log.add(ENGINE, firstPoint + point, hex(address), shape, () =>
        describe(declaration, region, address, kind, [declared, queried], said),
      );
    }
  }

  #expectationOf(said: PageStatement | undefined): Expectation {
    const known = this.#expectations.get(said);
    if (known !== undefined) return known;
    const expectation = queriedExpectation(said, this.#context.registers);
    this.#expectations.set(said, expectation);
    return expectation;
  }

  #differenceOf(declared: Expectation, queried: Expectation): number | undefined {
    if (this.#last?.declared !== declared || this.#last.queried !== queried) {
      this.#last = { declared, queried, difference: firstDifference(declared, queried) };
    }
    return this.#last.difference;
  }
}

/** What was compared last, because neighbouring pages are mostly alike. */
interface Compared {
  readonly declared: Expectation;
  readonly queried: Expectation;
  readonly difference: number | undefined;
}

/** The first access (`access + 3 × privilege`) of which the two expect something else. */
function firstDifference(declared: Expectation, queried: Expectation): number | undefined {
  const kind = declared.byAccess.findIndex((expected, at) => expected !== queried.byAccess[at]);
  if (kind >= 0) return kind;
  const completing = declared.byAccess.indexOf(Expected.Completes);
  const sameType = declared.memoryTypes.some(
    (fulfils, type) => fulfils !== 0 && queried.memoryTypes[type] !== 0,
  );
  const sameShare =
    declared.shareability === undefined ||
    queried.shareability === undefined ||
    declared.shareability === queried.shareability;
  return completing < 0 || (sameType && sameShare) ? undefined : completing;
}

function describe(
  declaration: Declaration,
  region: number,
  address: bigint,
  kind: number,
  [declared, queried]: readonly [Expectation, Expectation],
  said: PageStatement | undefined,
): Mismatch {
  const declaredRegion = declaration.regions[region];
  return {
    machine: ENGINE,
    address: hex(address),
    access: ACCESS_NAMES[kind % 3] as string,
    privilege: PRIVILEGE_NAMES[Math.floor(kind / 3)] as string,
    region: declaredRegion?.name ?? null,
    declared: reportAttributes(declaredRegion, declared, kind),
    queried: reportAttributes(said, queried, kind),
    predicted: null,
    observed: null,
    alone: null,
    remark: 'queryMemoryRegion contradicts the declaration',
  };
}

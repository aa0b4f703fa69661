import { FRAME_SIZE } from '../src/addresses.ts';
import type { OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import { type Expectation, expectationOf, permissionControls } from './expectation.ts';
import { fulfils, leavesOpen } from './expectation-check.ts';
import { type FaultKindOf, faultKindOf } from './expectation-fault-kind.ts';
import type { LayoutRegion } from './inputs/layout/layout.ts';
import type { PlanChunk } from './plan.ts';
import { type PageRun, pageOfPoint } from './plan-points.ts';

/** The parts of a layout region that a declaration is made of. */
export type DeclaredRegion = Pick<
  LayoutRegion,
  'name' | 'firstPage' | 'pageCount' | 'firstFrame' | 'attributes' | 'x64' | 'aarch64'
>;

/** Index of "no region": declared unmapped. */
export const NO_REGION = -1;
/** Index of what the tables map for their own upkeep: nothing is declared. */
export const UNDECLARED = -2;

/** A layout as a statement about accesses. */
export class Declaration {
  readonly regions: readonly DeclaredRegion[];
  readonly #upkeep: readonly PageRun[];
  readonly #expectations: readonly Expectation[];
  readonly #unmapped: Expectation;
  readonly #faultKind: FaultKindOf;

  /**
   * @param regions ascending, without overlaps
   * @param upkeep ascending, without overlaps
   */
  constructor(regions: readonly DeclaredRegion[], upkeep: readonly PageRun[], registers: Registers) {
    const controls = permissionControls(registers);
    this.regions = regions;
    this.#upkeep = upkeep;
    this.#expectations = regions.map((region) => expectationOf(region, controls));
    this.#unmapped = expectationOf(undefined, controls);
    this.#faultKind = faultKindOf(registers);
  }

  /** The region that holds each point: its index, {@link NO_REGION} or {@link UNDECLARED}. */
  regionsOf(points: Float64Array): Int32Array {
    const result = new Int32Array(points.length);
    let region = 0;
    let upkeep = 0;
    for (let index = 0; index < points.length; index++) {
      const page = pageOfPoint(points[index] as number);
      region = runAtOrBehind(this.regions, region, page);
      upkeep = runAtOrBehind(this.#upkeep, upkeep, page);
      const at = this.regions[region];
      if (at !== undefined && page >= at.firstPage) result[index] = region;
      else result[index] = page >= (this.#upkeep[upkeep]?.firstPage ?? Infinity) ? UNDECLARED : NO_REGION;
    }
    return result;
  }

  /** What is expected in a region, given as {@link regionsOf} gives it; undefined if nothing is declared. */
  expectation(region: number): Expectation | undefined {
    return region === NO_REGION ? this.#unmapped : this.#expectations[region];
  }

  /** Whether outcome `index` of a list for the chunk's probes fulfils the declaration. */
  isFulfilled(chunk: PlanChunk, regions: Int32Array, outcomes: OutcomeList, index: number): boolean {
    const point = chunk.pointOf[index] as number;
    const region = regions[point] as number;
    const expectation = this.expectation(region);
    if (expectation === undefined) return true;
    const page = pageOfPoint(chunk.points[point] as number);
    const declared = this.regions[region];
    return fulfils(
      {
        expectation,
        kind: chunk.probes.accesses.access(index) + 3 * chunk.probes.accesses.privilege(index),
        frame: declared === undefined ? 0 : page - declared.firstPage + declared.firstFrame,
        offset: (chunk.probes.accesses.words[index * 4] as number) % FRAME_SIZE,
      },
      outcomes,
      index,
      this.#faultKind,
    );
  }

  /** A nonzero byte for each probe of the chunk whose prediction contradicts the declaration, or leaves it open. */
  contradictions(chunk: PlanChunk, regions: Int32Array): Uint8Array {
    const contradicted = new Uint8Array(chunk.predicted.length);
    for (let index = 0; index < contradicted.length; index++) {
      if (!this.isFulfilled(chunk, regions, chunk.predicted, index) || this.#isOpen(chunk, regions, index)) {
        contradicted[index] = 1;
      }
    }
    return contradicted;
  }

  #isOpen({ pointOf, probes, predicted }: PlanChunk, regions: Int32Array, index: number): boolean {
    const expectation = this.expectation(regions[pointOf[index] as number] as number);
    if (expectation === undefined) return false;
    const kind = probes.accesses.access(index) + 3 * probes.accesses.privilege(index);
    return leavesOpen(expectation, kind, predicted, index);
  }
}

/** Index of the first run from `start` on that does not end at or before `page`. */
function runAtOrBehind(runs: readonly PageRun[], start: number, page: number): number {
  let index = start;
  for (let run = runs[index]; run !== undefined && run.firstPage + run.pageCount <= page; run = runs[index]) {
    index++;
  }
  return index;
}

/**
 * Which addresses a plan touches. A point is one 16-byte slot of a page: the first or the last. Its key is
 * `2 * page + (last slot ? 1 : 0)`: 53 bits, exact in a double, ascending with the address.
 */

/** The leaves under test, ascending by page; see LeafList in src/walker.ts. */
export interface LeafPages {
  readonly length: number;
  /** Page number of the sign-extended 64-bit address: 0 … 2^52 − 1. */
  readonly pageNumber: Float64Array;
  /** 4 KiB pages that the leaf maps. */
  readonly pageCount: Float64Array;
}

/** A run of pages. */
export interface PageRun {
  readonly firstPage: number;
  readonly pageCount: number;
}

/** Pages of a 64-bit address space. */
export const PAGES_OF_64_BITS = 2 ** 52;

export const SLOT_BYTES = 16;
const LAST_SLOT_OFFSET = 4096 - SLOT_BYTES;

export type Coverage = 'edges' | 'leaves' | 'pages';
export const COVERAGES: readonly Coverage[] = ['edges', 'leaves', 'pages'];

export function firstSlot(page: number): number {
  return page * 2;
}
export function lastSlot(page: number): number {
  return page * 2 + 1;
}
export function pageOfPoint(point: number): number {
  return Math.floor(point / 2);
}
/** Offset of the point's slot in its page, in bytes. */
export function offsetOfPoint(point: number): number {
  return point % 2 === 0 ? 0 : LAST_SLOT_OFFSET;
}

/** Both ends of a run from the inside, and the two slots that touch it from the outside. */
export function edgesOfRun(run: PageRun): number[] {
  const end = run.firstPage + run.pageCount;
  const edges = [firstSlot(run.firstPage), lastSlot(end - 1)];
  if (run.firstPage > 0) edges.push(lastSlot(run.firstPage - 1));
  if (end < PAGES_OF_64_BITS) edges.push(firstSlot(end));
  return edges;
}

/**
 * The edges that stand whatever the tables hold: of the address space, of the ranges that the registers
 * translate (so also of the non-canonical hole), and of the declared runs.
 * @returns points, ascending, each once
 */
export function fixedEdges(translated: readonly PageRun[], declared: readonly PageRun[]): Float64Array {
  const points = new Set([firstSlot(0), lastSlot(PAGES_OF_64_BITS - 1)]);
  for (const run of [...translated, ...declared]) {
    for (const point of edgesOfRun(run)) points.add(point);
  }
  return Float64Array.from(points).sort();
}

/** Leaves, and how densely to touch them. */
export interface LeafCoverage {
  readonly leaves: LeafPages;
  /** Entries that lead nowhere; each is touched as a leaf is, and never more densely than that. */
  readonly deadEnds?: LeafPages;
  readonly coverage: Coverage;
  /** Whether a new run begins at leaf `index` although it follows its predecessor without a gap. */
  readonly isSeam?: (index: number) => boolean;
}

/**
 * The edges of every run of leaves, inside and outside (so also of every gap), and the first slot of every
 * leaf or of every page. Ascending, each once.
 */
function* leafPoints({ leaves, coverage, isSeam }: LeafCoverage): Generator<number, undefined> {
  let end = -1;
  for (let index = 0; index < leaves.length; index++) {
    const page = leaves.pageNumber[index] as number;
    const pages = leaves.pageCount[index] as number;
    const isRunStart = page !== end || isSeam?.(index) === true;
    if (isRunStart) {
      if (end >= 0) yield lastSlot(end - 1);
      if (page !== end) {
        if (end >= 0) yield firstSlot(end);
        if (page > 0) yield lastSlot(page - 1);
      }
    }
    if (isRunStart || coverage !== 'edges') yield firstSlot(page);
    if (coverage === 'pages') for (let inner = 1; inner < pages; inner++) yield firstSlot(page + inner);
    end = page + pages;
  }
  if (end >= 0) yield lastSlot(end - 1);
  if (end >= 0 && end < PAGES_OF_64_BITS) yield firstSlot(end);
}

/** The points of the leaves and of the dead ends, ascending; the same point may come from both. */
function allLeafPoints(leafCoverage: LeafCoverage): Generator<number, undefined> {
  const { deadEnds, coverage } = leafCoverage;
  if (deadEnds === undefined || deadEnds.length === 0) return leafPoints(leafCoverage);
  const sparse = coverage === 'pages' ? 'leaves' : coverage;
  return merged(
    leafPoints(leafCoverage),
    leafPoints({ leaves: deadEnds, coverage: sparse, isSeam: () => true }),
  );
}

/** Two ascending sequences as one; equal numbers come twice. */
function* merged(
  left: Iterator<number, undefined>,
  right: Iterator<number, undefined>,
): Generator<number, undefined> {
  let [a, b] = [left.next().value, right.next().value];
  while (a !== undefined || b !== undefined) {
    if (b === undefined || (a !== undefined && a <= b)) {
      yield a as number;
      a = left.next().value;
    } else {
      yield b;
      b = right.next().value;
    }
  }
}

/** About how many points {@link pointBatches} yields: the edges of the leaves' runs are not counted. */
export function estimatePoints({ leaves, coverage }: LeafCoverage, edges: Float64Array): number {
  if (coverage === 'edges') return edges.length;
  if (coverage === 'leaves') return edges.length + leaves.length;
  return leaves.pageCount.subarray(0, leaves.length).reduce((sum, pages) => sum + pages, edges.length);
}

/**
 * The points of the leaves and the fixed edges together, ascending, each once, in batches of at most
 * `capacity`: the memory they take is bounded.
 */
export function* pointBatches(
  leafCoverage: LeafCoverage,
  edges: Float64Array,
  capacity: number,
): Generator<Float64Array> {
  const inner = allLeafPoints(leafCoverage);
  const nextInner = () => inner.next().value ?? Number.POSITIVE_INFINITY;
  let leafPoint: number = nextInner();
  let edge = 0;
  let batch = new Float64Array(capacity);
  let used = 0;
  while (edge < edges.length || leafPoint !== Number.POSITIVE_INFINITY) {
    const edgePoint = edge < edges.length ? (edges[edge] as number) : Number.POSITIVE_INFINITY;
    const point = Math.min(leafPoint, edgePoint);
    batch[used++] = point;
    if (edgePoint === point) edge++;
    while (leafPoint === point) leafPoint = nextInner();
    if (used === capacity) {
      yield batch;
      batch = new Float64Array(capacity);
      used = 0;
    }
  }
  if (used > 0) yield batch.subarray(0, used);
}

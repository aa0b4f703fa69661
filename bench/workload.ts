/** One run of a workload, ready to be timed. */
export interface PreparedRun {
  /** The work. */
  run(): void;
  /** Looks at the result, outside the timer. @throws Error if it is wrong */
  check(): void;
}

/** A piece of work that is timed. */
export interface Workload {
  /** The id of SPEED-native.md, or one of our own. */
  readonly id: string;
  /** Units of work in one run: pages, calls, entries. */
  readonly units: number;
  /** Nanoseconds per unit of the original library compiled natively; undefined where there is no original. */
  readonly nativeNs: number | undefined;
  /** Prepares one run, outside the timer. */
  prepare(): PreparedRun;
  /** The same work with addresses given as bigints; absent where no address is given. */
  prepareBigint?(): PreparedRun;
}

const WARM_UP_RUNS = 4;
const TIMED_RUNS = 11;

/** Nanoseconds per unit: the median of several runs after warm-up. @throws whatever a run's check throws */
export function measure(units: number, prepare: () => PreparedRun): number {
  const samples: number[] = [];
  for (let run = 0; run < WARM_UP_RUNS + TIMED_RUNS; run++) {
    const prepared = prepare();
    const start = process.hrtime.bigint();
    prepared.run();
    const elapsed = Number(process.hrtime.bigint() - start);
    prepared.check();
    if (run >= WARM_UP_RUNS) samples.push(elapsed / units);
  }
  return samples.sort((a, b) => a - b)[samples.length >> 1] as number;
}

/** For the checks of results. @throws Error that names both values */
export function checkEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`wrong result: ${what} is ${actual}, expected ${expected}`);
}

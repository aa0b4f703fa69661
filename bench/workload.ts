/** A piece of work that is timed. */
export interface Workload {
  /** The id of SPEED-native.md, or one of our own. */
  readonly id: string;
  /** Units of work in one run: pages, calls, entries. */
  readonly units: number;
  /** Nanoseconds per unit of the original library compiled natively; undefined where there is no original. */
  readonly nativeNs: number | undefined;
  /**
   * Prepares one run, outside the timer.
   * @returns the work to be timed, and a check of its result that throws if it is wrong
   */
  prepare(): { run(): void; check(): void };
}

export interface Measurement {
  readonly id: string;
  /** Nanoseconds per unit. */
  readonly ns: number;
  readonly nativeNs: number | undefined;
  /** `ns / nativeNs`. */
  readonly ratio: number | undefined;
}

const WARM_UP_RUNS = 4;
const TIMED_RUNS = 11;

/** The median of several runs after warm-up. @throws whatever the workload's check throws */
export function measure(workload: Workload): Measurement {
  const { id, units, nativeNs } = workload;
  const samples: number[] = [];
  for (let run = 0; run < WARM_UP_RUNS + TIMED_RUNS; run++) {
    const prepared = workload.prepare();
    const start = process.hrtime.bigint();
    prepared.run();
    const elapsed = Number(process.hrtime.bigint() - start);
    prepared.check();
    if (run >= WARM_UP_RUNS) samples.push(elapsed / units);
  }
  samples.sort((a, b) => a - b);
  const ns = samples[samples.length >> 1] as number;
  return { id, ns, nativeNs, ratio: nativeNs === undefined ? undefined : ns / nativeNs };
}

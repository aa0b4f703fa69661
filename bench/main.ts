import { AARCH64_PAGING_WORKLOADS } from './engine/aarch64-paging.ts';
import { BARE_WORKLOADS } from './engine/bare-walk.ts';
import { PATINA_WORKLOADS } from './engine/patina.ts';
import { X86_64_WORKLOADS } from './engine/x86-64.ts';
import { LINEAR_IDS, type LinearRow, linearRows } from './linear.ts';
import { type ProbingRate, probingRates, type WarmBatch } from './probing.ts';
import { WALKER_WORKLOADS } from './walker.ts';
import { measure, type Workload } from './workload.ts';

/** Every workload that `npm run bench` knows. */
const WORKLOADS: readonly Workload[] = [
  ...BARE_WORKLOADS,
  ...PATINA_WORKLOADS,
  ...AARCH64_PAGING_WORKLOADS,
  ...X86_64_WORKLOADS,
  ...WALKER_WORKLOADS,
];

const USAGE = `usage: npm run bench -- [--json] [--bigint] [--only ID]
  --json     an array of {id, ns, nativeNs, ratio} instead of a table
  --bigint   also with addresses given as bigints, and what that costs compared with numbers
  --only ID  only workloads whose id begins so; 'probe' and longer: machines, with {id, perSecond, guestPerSecond, ratio}
             or {id, microseconds} as JSON; they are not measured unless named
  linear/…   rows carry {id, buildNs, leavesNs, planNs, peakBytes} for one leaf`;

/** A workload's times. */
interface Measurement {
  readonly id: string;
  /** Nanoseconds per unit, addresses given as numbers. */
  readonly ns: number;
  readonly nativeNs: number | null;
  /** `ns / nativeNs`. */
  readonly ratio: number | null;
  /** Nanoseconds per unit, addresses given as bigints. */
  readonly bigintNs?: number;
}

interface Options {
  readonly json: boolean;
  readonly bigint: boolean;
  readonly only: string;
}

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit status: 0, 1 for a wrong result, or 2 for wrong arguments */
async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (options === undefined) {
    console.error(USAGE);
    return 2;
  }
  const { only, json, bigint } = options;
  if (only.startsWith('probe')) return await benchProbing(only, json);
  const chosen = WORKLOADS.filter(({ id }) => id.startsWith(only));
  if (chosen.length === 0 && !LINEAR_IDS.some((id) => id.startsWith(only))) {
    const ids = [...WORKLOADS.map(({ id }) => id), ...LINEAR_IDS];
    console.error(`no workload begins with ${only}; there are:\n${ids.map((id) => `  ${id}`).join('\n')}`);
    return 2;
  }
  try {
    const measurements = bigint
      ? withBigints(chosen, withNumbers(chosen, false), !json)
      : withNumbers(chosen, !json);
    const linear = linearCosts(only, !json);
    if (json) console.log(JSON.stringify([...measurements, ...linear]));
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

/** @returns the exit status */
async function benchProbing(only: string, json: boolean): Promise<number> {
  const measured: (ProbingRate | WarmBatch)[] = [];
  if (!json) console.log(row(['probes', 'M/s', 'guest M/s', 'ratio']));
  try {
    for await (const result of probingRates(only)) {
      measured.push(result);
      if (!json) console.log(row(probingColumns(result)));
    }
  } catch (error) {
    console.error(error);
    return 1;
  }
  if (json) console.log(JSON.stringify(measured));
  if (measured.length > 0) return 0;
  console.error(`no machine is here for ${only}`);
  return 2;
}

function probingColumns(result: ProbingRate | WarmBatch): string[] {
  if ('microseconds' in result) return [result.id, `${result.microseconds.toFixed(0)} µs`];
  const { id, perSecond, guestPerSecond, ratio } = result;
  return [id, ...[perSecond / 1e6, guestPerSecond / 1e6].map(significant), ratio.toFixed(2)];
}

/** Sizes of tables, each measured once. */
function linearCosts(only: string, print: boolean): LinearRow[] {
  const rows: LinearRow[] = [];
  for (const result of linearRows(only)) {
    if (print && rows.length === 0) console.log(row(['one leaf', 'build ns', 'list ns', 'plan ns', 'bytes']));
    rows.push(result);
    const { id, buildNs, leavesNs, planNs, peakBytes } = result;
    if (print) console.log(row([id, ...[buildNs, leavesNs, planNs, peakBytes].map(significant)]));
  }
  return rows;
}

function parse(args: readonly string[]): Options | undefined {
  const options = { json: false, bigint: false, only: '' };
  for (let at = 0; at < args.length; at++) {
    const value = args[at + 1];
    if (args[at] === '--json') options.json = true;
    else if (args[at] === '--bigint') options.bigint = true;
    else if (args[at] === '--only' && value !== undefined) {
      options.only = value;
      at++;
    } else return undefined;
  }
  return options;
}

function withNumbers(workloads: readonly Workload[], print: boolean): Measurement[] {
  if (print && workloads.length > 0) console.log(row(['workload', 'ns', 'native ns', 'ratio']));
  return workloads.map((workload) => {
    const { id, units, nativeNs } = workload;
    const ns = guarded(id, () => measure(units, () => workload.prepare()));
    const measurement = {
      id,
      ns,
      nativeNs: nativeNs ?? null,
      ratio: nativeNs === undefined ? null : ns / nativeNs,
    };
    if (print) console.log(row(columns(measurement)));
    return measurement;
  });
}

/** Every workload with bigints, after all have been measured with numbers: code that has seen both is slower. */
function withBigints(
  workloads: readonly Workload[],
  measurements: readonly Measurement[],
  print: boolean,
): Measurement[] {
  if (print && workloads.length > 0) {
    console.log(row(['workload', 'ns', 'native ns', 'ratio', 'bigint ns', '/ number']));
  }
  return measurements.map((measurement, index) => {
    const { id, units, prepareBigint } = workloads[index] as Workload;
    if (prepareBigint === undefined) {
      if (print) console.log(row([...columns(measurement), '–', '–']));
      return measurement;
    }
    const bigintNs = guarded(id, () => measure(units, prepareBigint));
    if (print) {
      console.log(
        row([...columns(measurement), significant(bigintNs), (bigintNs / measurement.ns).toFixed(2)]),
      );
    }
    return { ...measurement, bigintNs };
  });
}

function guarded<T>(id: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(`${id} failed`, { cause });
  }
}

function columns({ id, ns, nativeNs, ratio }: Measurement): string[] {
  return [
    id,
    significant(ns),
    nativeNs === null ? '–' : significant(nativeNs),
    ratio === null ? '–' : ratio.toFixed(2),
  ];
}

function row([id, ...values]: readonly string[]): string {
  return [(id ?? '').padEnd(52), ...values.map((value) => value.padStart(10))].join(' ');
}

function significant(value: number): string {
  return value.toPrecision(3);
}

import { PATINA_WORKLOADS } from './engine/patina.ts';
import { type Measurement, measure, type Workload } from './workload.ts';

/** Every workload that `npm run bench` knows. */
const WORKLOADS: readonly Workload[] = [...PATINA_WORKLOADS];

const USAGE = 'usage: npm run bench -- [--json] [--only ID]    (ID may be the beginning of several ids)';

process.exitCode = main(process.argv.slice(2));

/** @returns the exit status: 0, or 2 for wrong arguments */
function main(args: readonly string[]): number {
  const json = args.includes('--json');
  const at = args.indexOf('--only');
  const only = at < 0 ? '' : args[at + 1];
  if (only === undefined || args.length !== (json ? 1 : 0) + (at < 0 ? 0 : 2)) {
    console.error(USAGE);
    return 2;
  }
  const chosen = WORKLOADS.filter(({ id }) => id.startsWith(only));
  if (chosen.length === 0) {
    console.error(
      `no workload begins with ${only}; there are:\n${WORKLOADS.map(({ id }) => `  ${id}`).join('\n')}`,
    );
    return 2;
  }
  if (!json) console.log(row(['workload', 'ns/unit', 'native', 'ratio']));
  const measurements: Measurement[] = [];
  for (const workload of chosen) {
    const measurement = measure(workload);
    measurements.push(measurement);
    if (!json) console.log(tableRow(measurement));
  }
  if (json) console.log(JSON.stringify(measurements));
  return 0;
}

function tableRow({ id, ns, nativeNs, ratio }: Measurement): string {
  return row([
    id,
    significant(ns),
    nativeNs === undefined ? '–' : significant(nativeNs),
    ratio?.toFixed(2) ?? '–',
  ]);
}

function row([id, ...columns]: readonly string[]): string {
  return [(id ?? '').padEnd(40), ...columns.map((column) => column.padStart(10))].join(' ');
}

function significant(value: number): string {
  return value.toPrecision(3);
}

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What one leaf of sparse tables costs: nanoseconds to map it, to list it, and to plan its probes. */
export interface LinearCost {
  readonly buildNs: number;
  readonly leavesNs: number;
  readonly planNs: number;
  /** Peak of resident memory above what the program had taken before, tables included; too little for a few leaves. */
  readonly peakBytes: number;
}

/** One size of tables. */
export interface LinearRow extends LinearCost {
  /** "linear/x64/10K". */
  readonly id: string;
}

/** Leaves: each size is ten times the one before, and the cost of a leaf should stay. */
const SIZES = { '10K': 10_000, '100K': 100_000, '1M': 1_000_000, '10M': 10_000_000 } as const;

/** Every row. */
export const LINEAR_IDS: readonly string[] = Object.keys(SIZES).map((name) => `linear/x64/${name}`);

const PROGRAM = fileURLToPath(import.meta.url).replace(/linear(\.[jt]s)$/, 'linear-run$1');

/**
 * Whether the cost of verifying grows linearly with the number of leaves, one process for each size.
 * @throws Error if what was built, listed or planned is wrong
 */
export function* linearRows(only: string): Generator<LinearRow> {
  for (const [name, leaves] of Object.entries(SIZES)) {
    const id = `linear/x64/${name}`;
    if (!id.startsWith(only)) continue;
    const answer = execFileSync(process.execPath, [PROGRAM, `${leaves}`], { encoding: 'utf8' });
    yield { id, ...(JSON.parse(answer) as LinearCost) };
  }
}

import { readFileSync } from 'node:fs';
import type { Architecture } from '../src/registers.ts';
import { createWalker } from '../src/walker.ts';
import type { Erratum } from './errata.ts';
import { Declaration } from './expectation-declaration.ts';
import type { VerificationInput } from './inputs/types.ts';
import { accessesPerPoint, type HarmlessFetchSlot, type PlanSubject, planChunk } from './plan.ts';
import { type Coverage, estimatePoints, fixedEdges, pointBatches } from './plan-points.ts';
import { probedSpace } from './plan-space.ts';
import type { Report } from './report.ts';
import { MismatchLog } from './verdict-log.ts';
import type { JudgedChunk } from './verdict-machine.ts';
import type { MismatchContext } from './verdict-mismatches.ts';
import { QueryVerdict } from './verdict-queried.ts';
import { type MachineCandidate, MachineRun } from './verify-run.ts';

export interface VerifyOptions {
  /** The machines that take part, in the order of the report. */
  readonly machines: readonly MachineCandidate[];
  /** Whether they were asked for by name: the absence of one is then an error. Default false. */
  readonly required?: boolean;
  /** Default `leaves`. */
  readonly coverage?: Coverage;
  /** How many mismatches the report holds one by one; default 1000. */
  readonly maxMismatches?: number;
  /** Known deviations; default those of errata.ts. */
  readonly errata?: readonly Erratum[];
  /** Called as probes are answered. `total` is an estimate. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the verification early; every machine is closed. */
  readonly signal?: AbortSignal;
}

/** Points of one chunk: with six accesses each about 200 k probes, 20 MB for each machine. */
const POINTS_PER_CHUNK = 32_768;
const DEFAULT_MAX_MISMATCHES = 1000;

/**
 * Puts tables to real MMUs and holds against each other what is declared, queried, predicted and observed.
 * @throws MachineError if a required machine is absent, or unfit for the image
 * @throws RangeError if the registers are not modelled, or the tables have too many leaves
 * @throws the signal's reason if it is aborted
 */
export async function verify(input: VerificationInput, options: VerifyOptions): Promise<Report> {
  options.signal?.throwIfAborted();
  const runs = options.machines.map((candidate) => new MachineRun(candidate));
  try {
    const work = verifyWith(runs, input, options);
    if (options.signal === undefined) return await work;
    work.catch(() => {}); // once aborted, nobody waits for it
    return await Promise.race([work, aborted(options.signal)]);
  } finally {
    await Promise.all(runs.map((run) => run.close()));
  }
}

async function verifyWith(
  runs: readonly MachineRun[],
  input: VerificationInput,
  options: VerifyOptions,
): Promise<Report> {
  const { registers, memory } = input;
  const starting = Promise.all(runs.map((run) => run.start(input)));
  const walker = createWalker(memory, registers);
  const leaves = walker.leaves();
  await starting;
  if (options.required) for (const { trouble } of runs) if (trouble !== undefined) throw trouble;

  const { translated, privileges } = probedSpace(registers);
  const harmlessFetchSlot = await loadHarmlessFetchSlot(registers.architecture);
  const subject: PlanSubject = { predictor: walker, memory, privileges, harmlessFetchSlot };
  const declaration = declarationOf(input);
  const context: MismatchContext = { registers, declaration, query: input.query };
  const log = new MismatchLog(options.maxMismatches ?? DEFAULT_MAX_MISMATCHES);
  const queries = new QueryVerdict(context, log);
  for (const run of runs) run.prepare(context, leaves, log, options.errata);

  const coverage = options.coverage ?? 'leaves';
  const edges = fixedEdges(translated, declaration?.regions ?? []);
  const leafCoverage = { leaves, coverage };
  const total = estimatePoints(leafCoverage, edges) * accessesPerPoint(privileges);
  let done = 0;
  const parts = partsOf(pointBatches(leafCoverage, edges, POINTS_PER_CHUNK), subject, declaration);
  for (let part = next(parts); part !== undefined && runs.some((run) => run.trouble === undefined); ) {
    options.signal?.throwIfAborted();
    const current: JudgedChunk = part;
    const answers = runs.map((run) => run.probe(current));
    part = next(parts); // planned while the machines are busy
    for (const [index, answer] of (await Promise.all(answers)).entries()) {
      if (answer !== undefined) runs[index]?.judge(current, answer);
    }
    queries.judge(current);
    done += current.chunk.predicted.length;
    options.onProgress?.(done, Math.max(done, total));
  }
  await Promise.all(runs.map((run) => run.finish(input)));
  return makeReport(input, coverage, runs, log);
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function next<T>(iterator: Iterator<T>): T | undefined {
  const result = iterator.next();
  return result.done ? undefined : result.value;
}

function* partsOf(
  batches: Iterable<Float64Array>,
  subject: PlanSubject,
  declaration: Declaration | undefined,
): Generator<JudgedChunk> {
  let firstPoint = 0;
  for (const points of batches) {
    const chunk = planChunk(points, subject);
    const regions = declaration?.regionsOf(points);
    const contradicted = regions && declaration?.contradictions(chunk, regions);
    yield { chunk, regions, contradicted, firstPoint };
    firstPoint += points.length;
  }
}

function declarationOf(input: VerificationInput): Declaration | undefined {
  return input.kind === 'capture'
    ? undefined
    : new Declaration(input.layout.regions, input.upkeep, input.registers);
}

async function loadHarmlessFetchSlot(architecture: Architecture): Promise<HarmlessFetchSlot> {
  return architecture === 'x64'
    ? (words) => {
        for (let word = 0; word < words.length; word += 4)
          if (((words[word] as number) | (words[word + 1] as number)) === 0) return word * 4;
        return -1;
      }
    : (await import('../guest-stubs/aarch64/harmless-fetch-slot.ts')).harmlessFetchSlot;
}

function makeReport(
  input: VerificationInput,
  coverage: Coverage,
  runs: readonly MachineRun[],
  log: MismatchLog,
): Report {
  const machines = runs.map((run) => run.report());
  const complete =
    machines.some(({ status }) => status === 'ran') && machines.every(({ status }) => status !== 'failed');
  return {
    tool: 'mmucheck',
    version: packageVersion(),
    input: input.name,
    ...(input.kind === 'layout-against-capture' && { tables: input.captureName }),
    architecture: input.architecture,
    verdict: log.count > 0 ? 'mismatch' : complete ? 'agree' : 'incomplete',
    machines,
    mismatches: log.mismatches,
    mismatchesOmitted: log.omitted,
    coverage,
    groups: log.groups,
    groupsOmitted: log.groupsOmitted,
    notes: input.kind === 'layout' ? [] : input.notes,
  };
}

/** The version in package.json, which stands one folder above the sources and two above what is built. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string })
        .version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return '';
}

import { availableParallelism } from 'node:os';
import { MAX_BATCH } from '../guest-stubs/protocol.ts';
import type { Erratum } from './errata.ts';
import { Declaration } from './expectation-declaration.ts';
import { loadHarmlessFetchSlot } from './fetch-slots.ts';
import type { VerificationInput } from './inputs/types.ts';
import { runStarts } from './leaf-runs.ts';
import { VERSION } from './package.ts';
import { accessesPerPoint, type PlanSubject, planChunk } from './plan.ts';
import { type Coverage, estimatePoints, fixedEdges, type LeafCoverage, pointBatches } from './plan-points.ts';
import { hasObserved, type Report } from './report.ts';
import { understand } from './understand.ts';
import { judgeContiguous } from './verdict-contiguous.ts';
import { judgeLeaves } from './verdict-leaves.ts';
import { MismatchLog } from './verdict-log.ts';
import type { JudgedChunk } from './verdict-machine.ts';
import type { MismatchContext } from './verdict-mismatches.ts';
import { QueryVerdict } from './verdict-queried.ts';
import { TableExpectation } from './verdict-tables.ts';
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

/**
 * Points of one chunk: with six accesses each just what a stub takes at once. A machine of another process
 * works through them while one of this process does the same.
 */
const POINTS_PER_CHUNK = Math.floor(MAX_BATCH / 6);
const DEFAULT_MAX_MISMATCHES = 1000;

/**
 * Puts tables to real MMUs and holds against each other what is declared, queried, predicted and observed.
 * @throws MachineError if a required machine is absent, or unfit for the image
 * @throws InputError if the registers are not modelled, or the tables have too many leaves
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
  await Promise.all(runs.map((run) => run.find()));
  const { walker, translated, privileges, ...understood } = understand(input);
  const leaves = understood.leaves();
  const declaration = declarationOf(input);
  const coverage = options.coverage ?? 'leaves';
  const edges = fixedEdges(translated, declaration?.regions ?? []);
  const expectedProbes = estimatePoints({ leaves, coverage }, edges) * accessesPerPoint(privileges);
  const cores = Math.max(1, Math.floor(availableParallelism() / runs.length));
  const starting = Promise.all(runs.map((run) => run.start(input, { expectedProbes, cores })));

  // Planned while the machines start.
  const harmlessFetchSlot = await loadHarmlessFetchSlot(registers.architecture);
  const subject: PlanSubject = { predictor: walker, memory, privileges, harmlessFetchSlot };
  const leafCoverage: LeafCoverage = {
    leaves,
    deadEnds: understood.deadEnds(),
    coverage,
    ...(coverage === 'edges' && { isSeam: runStarts(leaves, walker, privileges) }),
  };
  const parts = partsOf(pointBatches(leafCoverage, edges, POINTS_PER_CHUNK), subject, declaration);
  let current = next(parts);
  const context: MismatchContext = { registers, memory, walker, declaration, query: input.query };
  const log = new MismatchLog(options.maxMismatches ?? DEFAULT_MAX_MISMATCHES);
  const queries = new QueryVerdict(context, log);
  judgeLeaves(declaration?.regions ?? [], leaves, memory, log);
  judgeContiguous(registers, leaves, memory, log);
  const tables = new TableExpectation(input, leaves);

  await starting;
  if (options.required) for (const { trouble } of runs) if (trouble !== undefined) throw trouble;
  for (const run of runs) run.prepare(context, log, options.errata);
  const ask = async (part: JudgedChunk | undefined) =>
    part === undefined ? [] : await Promise.all(runs.map((run) => run.probe(part)));
  let done = 0;
  let answering = ask(current);
  while (current !== undefined && runs.some((run) => run.trouble === undefined)) {
    options.signal?.throwIfAborted();
    // While the machines are busy with this part, the next one is planned and then the last one judged.
    const following = next(parts);
    const answers = await answering;
    answering = ask(following);
    for (const [index, answer] of answers.entries()) {
      if (answer !== undefined) runs[index]?.judge(current, answer);
    }
    queries.judge(current);
    tables.add(current.chunk);
    done += current.chunk.predicted.length;
    options.onProgress?.(done, Math.max(done, expectedProbes));
    current = following;
  }
  await Promise.all(runs.map((run) => run.finish(tables)));
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

function makeReport(
  input: VerificationInput,
  coverage: Coverage,
  runs: readonly MachineRun[],
  log: MismatchLog,
): Report {
  const machines = runs.map((run) => run.report());
  const complete = machines.some(hasObserved) && machines.every(({ status }) => status !== 'failed');
  return {
    tool: 'mmucheck',
    version: VERSION,
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

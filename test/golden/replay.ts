import { isDeepStrictEqual } from 'node:util';
import { PageTableError } from '../../src/errors.ts';
import { expandRows } from './arena.ts';
import type { Deviation } from './deviation.ts';
import { DEVIATIONS } from './deviations.ts';
import { type GoldenDriver, type GoldenSession, hexString, ScriptError } from './driver.ts';
import type { Result, Script, VectorFile } from './script.ts';

/** How the scripts of a file fared; each counts once. */
export interface Tally {
  passed: number;
  failed: number;
  /** Scripts that differ only where a rule of deviations.ts says so. */
  deviations: number;
}

export interface FileReport extends Tally {
  /** One text per failed script: its id, and the first thing that differs. */
  readonly failures: readonly string[];
  /** How many calls each deviation rule explained. */
  readonly rules: ReadonlyMap<string, number>;
}

/** Replays every script of a file. */
export function replayFile(file: VectorFile, driver: GoldenDriver): FileReport {
  const failures: string[] = [];
  const calls = new Map<string, number>();
  const tally: Tally = { passed: 0, failed: 0, deviations: 0 };
  for (const script of file.scripts) {
    const { failure, deviations } = replayScript(script, driver);
    for (const rule of deviations) calls.set(rule, (calls.get(rule) ?? 0) + 1);
    if (failure !== undefined) {
      tally.failed++;
      failures.push(`${script.id}: ${failure}`);
    } else if (deviations.length > 0) tally.deviations++;
    else tally.passed++;
  }
  return { ...tally, failures, rules: calls };
}

/** A script being compared: what differs, and which rules explained differences. */
interface Comparison {
  readonly failure: string | undefined;
  readonly deviations: readonly string[];
}

function replayScript(script: Script, driver: GoldenDriver): Comparison {
  const session = driver.open(script);
  const deviations: string[] = [];
  /** The rule by which the tables differ from the original's since some call. */
  let diverged: string | undefined;
  const begun = outcome(() => session.begin());
  if (!agrees(script.beginExpect, begun)) {
    return { failure: `begin: ${difference(script.beginExpect, begun)}`, deviations };
  }
  for (const [at, op] of script.ops.entries()) {
    const call = { begin: script.begin, op, root: session.root(), tables: () => session.tables() };
    diverged ??= rules(driver).find((deviation) => deviation.changesTables?.(call))?.rule;
    const expected = script.expect[at] as Result;
    const actual = outcome(() => session.apply(op));
    if (agrees(expected, actual)) continue;
    if (diverged !== undefined) return { failure: undefined, deviations: [...deviations, diverged] };
    const rule = rules(driver).find((deviation) => deviation.explains({ ...call, expected, actual }))?.rule;
    if (rule === undefined) {
      return { failure: `op ${at} ${JSON.stringify(op)}: ${difference(expected, actual)}`, deviations };
    }
    deviations.push(rule);
  }
  const failure = compareEnd(script, session);
  return failure === undefined || diverged === undefined
    ? { failure, deviations }
    : { failure: undefined, deviations: [...deviations, diverged] };
}

function rules(driver: GoldenDriver): readonly Deviation[] {
  return DEVIATIONS.filter(({ crate }) => crate === driver.crate);
}

function compareEnd(script: Script, session: GoldenSession): string | undefined {
  const root = session.root();
  if (root !== script.root) return `root: expected ${script.root}, got ${root}`;
  if (script.tables === null) return undefined;
  const actual = session.tables();
  const expectedAt = script.tables.map(([address]) => address).join(' ');
  const actualAt = actual.map(({ address }) => hexString(address)).join(' ');
  if (expectedAt !== actualAt) return `table pages: expected ${expectedAt}, got ${actualAt}`;
  for (const [at, [address, rows]] of script.tables.entries()) {
    const entries = actual[at]?.entries ?? [];
    for (const [index, entry] of expandRows(rows).entries()) {
      if (entry !== entries[index]) {
        return `table ${address} entry ${index}: expected ${hexString(entry)}, got ${hexString(entries[index] ?? 0n)}`;
      }
    }
  }
  return undefined;
}

/** What a call answered, in the form of the vectors. Anything but the engine's own errors counts as a panic. */
function outcome(call: () => unknown): Result {
  try {
    return { ok: call() };
  } catch (error) {
    if (error instanceof ScriptError) return { err: error.code };
    if (!(error instanceof PageTableError)) return { panic: String(error) };
    const payload = Object.entries(error.details).map(([field, value]) => [field, hexString(value)]);
    return { err: error.code, ...Object.fromEntries(payload) };
  }
}

/**
 * Whether a result is the expected one. Where the original panics any error will do; fields of an error that the
 * original does not have are additions.
 */
function agrees(expected: Result, actual: Result): boolean {
  if ('panic' in expected) return !('ok' in actual);
  if ('ok' in expected) return 'ok' in actual && isDeepStrictEqual(expected.ok, actual.ok);
  return (
    'err' in actual &&
    Object.entries(expected).every(([field, value]) => isDeepStrictEqual(actual[field], value))
  );
}

function difference(expected: Result, actual: Result): string {
  return `expected ${show(expected)}, got ${show(actual)}`;
}

function show(result: Result): string {
  const text = JSON.stringify(result);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * Golden vectors of form pt-golden-1: what the original crates answered to scripts of calls. A file is one gzipped
 * JSON object; numbers that are addresses, sizes or words stand in it as hex strings.
 */

/** One call: its name and its arguments. */
export type Op = readonly [name: string, ...args: (string | number)[]];

/** What a call answered. */
export type Result =
  | { readonly ok: unknown }
  | ({ readonly err: string } & Readonly<Record<string, unknown>>)
  | { readonly panic: string };

/** `[index, entry]` or `[index, count, first, stride]`. */
export type Row = readonly [number, string] | readonly [number, number, string, string];

export interface Script {
  readonly id: string;
  readonly begin: Readonly<Record<string, string | number>>;
  readonly beginExpect: Result;
  readonly ops: readonly Op[];
  readonly expect: readonly Result[];
  readonly root: string | null;
  readonly tables: readonly (readonly [string, readonly Row[]])[] | null;
}

export interface VectorFile {
  readonly crate: string;
  readonly config: string;
  readonly scripts: readonly Script[];
}

/** A vector file that cannot be read or is not of form pt-golden-1. */
export class VectorFileError extends Error {
  override readonly name = 'VectorFileError';
}

/** @throws VectorFileError that names the file and what is wrong with it */
export function readVectorFile(path: string): VectorFile {
  let text: string;
  try {
    text = gunzipSync(readFileSync(path)).toString('utf8');
  } catch (cause) {
    throw new VectorFileError(`${path}: ${(cause as Error).message}`, { cause });
  }
  return parseVectors(text, path);
}

/** @throws VectorFileError */
export function parseVectors(text: string, name: string): VectorFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new VectorFileError(`${name}: ${(cause as Error).message}`, { cause });
  }
  const file = parsed as Partial<VectorFile & { format: string }> | null;
  if (file === null || typeof file !== 'object' || file.format !== 'pt-golden-1') {
    throw new VectorFileError(`${name}: "format" is ${JSON.stringify(file?.format)}, expected "pt-golden-1"`);
  }
  const { crate, config, scripts } = file;
  if (typeof crate !== 'string' || typeof config !== 'string' || !Array.isArray(scripts)) {
    throw new VectorFileError(`${name}: "crate", "config" or "scripts" is missing`);
  }
  for (const [at, script] of scripts.entries()) checkScript(script, `${name}: script ${at}`);
  return { crate, config, scripts };
}

function checkScript(script: Partial<Script> | null, where: string): void {
  if (script === null || typeof script !== 'object' || typeof script.id !== 'string') {
    throw new VectorFileError(`${where} has no "id"`);
  }
  const { id, begin, beginExpect, ops, expect, root, tables } = script;
  const described = typeof begin === 'object' && typeof beginExpect === 'object';
  if (!described || !Array.isArray(ops) || !Array.isArray(expect) || ops.length !== expect.length) {
    throw new VectorFileError(`${where} (${id}) has no matching "begin", "beginExpect", "ops" and "expect"`);
  }
  if (root === undefined || (tables !== null && !Array.isArray(tables))) {
    throw new VectorFileError(`${where} (${id}) has no "root" or no "tables"`);
  }
}

import { rename, rm, writeFile } from 'node:fs/promises';
import { fileProblem } from './inputs/file-problem.ts';
import { InputError } from './inputs/input-error.ts';

export interface FileToWrite {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/**
 * Writes files so that none of them is ever seen half-written: each goes to a temporary name in its own
 * folder first, and they get their names when all are complete, the first one last. What was there before
 * stays on failure.
 * @throws InputError with the path and the reason: no such folder, no space, no permission …
 */
export async function writeFilesAtomically(files: readonly FileToWrite[]): Promise<void> {
  const temporary = (path: string) => `${path}.${process.pid}.tmp`;
  try {
    for (const { path, content } of files) await attempt(path, writeFile(temporary(path), content));
    for (const { path } of files.toReversed()) await attempt(path, rename(temporary(path), path));
  } finally {
    await Promise.all(files.map(({ path }) => rm(temporary(path), { force: true }).catch(() => {})));
  }
}

async function attempt(path: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new InputError(path, `cannot be written: ${fileProblem(error)}`, { cause: error });
  }
}

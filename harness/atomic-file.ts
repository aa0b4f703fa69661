import { lstat, rename, rm, writeFile } from 'node:fs/promises';
import { fileProblem } from './inputs/file-problem.ts';
import { InputError } from './inputs/input-error.ts';

export interface FileToWrite {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/**
 * Writes files so that none of them is ever seen half-written: each goes to a temporary name in its own
 * folder first, and they get their names when all are complete, the first one last. What was there before
 * stays on failure. A path that names no plain file (a device, a pipe, a symbolic link) is written to as it is:
 * renaming would put a file in its place.
 * @throws InputError with the path and the reason: no such folder, no space, no permission …
 */
export async function writeFilesAtomically(files: readonly FileToWrite[]): Promise<void> {
  const replaced: FileToWrite[] = [];
  const temporary = (path: string) => `${path}.${process.pid}.tmp`;
  try {
    for (const file of files) {
      if (!(await isReplaceable(file.path))) await attempt(file.path, writeFile(file.path, file.content));
      else {
        replaced.push(file);
        await attempt(file.path, writeFile(temporary(file.path), file.content));
      }
    }
    for (const { path } of replaced.toReversed()) await attempt(path, rename(temporary(path), path));
  } finally {
    await Promise.all(replaced.map(({ path }) => rm(temporary(path), { force: true }).catch(() => {})));
  }
}

/** Whether a path names a plain file, or nothing yet. */
async function isReplaceable(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found === undefined || found.isFile();
}

async function attempt(path: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new InputError(path, `cannot be written: ${fileProblem(error)}`, { cause: error });
  }
}

import { closeSync, constants, openSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import tmp from 'tmp';
import { MachineError } from '../harness/machine.ts';

/** Where Linux keeps files in memory. */
const MEMORY_FILE_SYSTEM = '/dev/shm';

/** A file without a name: it is gone when the last process that has it open is gone. */
export interface ScratchFile {
  readonly descriptor: number;
  /** The folder whose space it uses, for messages. */
  readonly folder: string;
}

/**
 * Opens a scratch file and removes its name at once, so that nothing is left behind whatever happens to
 * this process. A child gets it by descriptor inheritance and opens it as /dev/fd/N.
 * @param bytes space that the file will need; /dev/shm is used when it has twice as much
 * @throws MachineError 'failed' if no file can be made
 */
export function openScratchFile(machine: string, bytes: number): ScratchFile {
  const folder = hasRoom(MEMORY_FILE_SYSTEM, 2 * bytes) ? MEMORY_FILE_SYSTEM : tmpdir();
  try {
    const path = tmp.tmpNameSync({ tmpdir: folder, prefix: 'mmucheck' });
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      rmSync(path);
    } catch (cause) {
      closeSync(descriptor);
      throw cause;
    }
    return { descriptor, folder };
  } catch (cause) {
    throw new MachineError(machine, 'failed', `cannot make a file in ${folder}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function hasRoom(folder: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

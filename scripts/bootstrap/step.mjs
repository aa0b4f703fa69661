// @ts-check
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A preparation step that could not be done: what a person reads, and the exit status to end with. */
export class StepError extends Error {
  /**
   * @param {string} message
   * @param {number} [status] 1, or 3 where a machine cannot be had
   */
  constructor(message, status = 1) {
    super(message);
    this.name = 'StepError';
    this.status = status;
  }
}

/** @typedef {(line: string) => void} Log */

/** @type {Log} */
export function say(line) {
  process.stdout.write(`mmucheck: ${line}\n`);
}

/**
 * Runs an entry point and turns its result, or a {@link StepError}, into the process's exit status.
 * @param {() => Promise<number>} main
 */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stderr.write(`mmucheck: ${error.message}\n`);
    process.exitCode = error.status;
  }
}

/**
 * Runs a Node program with this process's terminal. Relative paths among `args` mean what they meant where the
 * user typed them: npm changes to the package's folder and keeps the first one in INIT_CWD.
 * @param {string[]} args
 * @param {{ inPackage?: boolean }} [options] `inPackage`: run in the package's folder instead
 * @returns {number} its exit status
 */
export function runNode(args, { inPackage = false } = {}) {
  const cwd = inPackage ? ROOT : (process.env.INIT_CWD ?? process.cwd());
  const { status, signal, error } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd });
  if (error !== undefined) throw new StepError(`cannot run ${args[0]}: ${error.message}`);
  if (signal !== null) throw new StepError(`${args[0]} was ended by ${signal}`);
  return status ?? 1;
}

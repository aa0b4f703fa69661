// @ts-check
import { spawnSync } from 'node:child_process';
import { StepError } from '../bootstrap/step.mjs';
import { findCommand } from './commands.mjs';

/** @typedef {import('./commands.mjs').Environment} Environment */
/** @typedef {import('../bootstrap/step.mjs').Log} Log */

/** What mmucheck runs, the Debian package that has it, and what it is for. */
export const REQUIREMENTS = [
  { command: 'qemu-system-x86_64', package: 'qemu-system-x86', what: 'QEMU for x64' },
  { command: 'qemu-system-aarch64', package: 'qemu-system-arm', what: 'QEMU for AArch64' },
  { command: 'as', package: 'binutils', what: 'GNU binutils for this machine' },
  {
    command: 'x86_64-linux-gnu-as',
    package: 'binutils-x86-64-linux-gnu',
    what: 'GNU binutils for x64',
  },
  {
    command: 'aarch64-linux-gnu-as',
    package: 'binutils-aarch64-linux-gnu',
    what: 'GNU binutils for AArch64',
  },
];

/** A setup that cannot be completed ends with the status of "a machine is not available". */
const UNAVAILABLE = 3;
/** apt-get waits this many seconds for another one to finish. */
const LOCK_TIMEOUT = 300;

/**
 * Installs the Debian packages whose commands are not on the PATH. A no-op that runs nothing when all are there.
 * @param {{ log: Log, environment?: Environment, isRoot?: boolean }} options
 * @returns {string[]} the packages installed
 * @throws {StepError} status 3, naming the packages and how to install them by hand
 */
export function ensurePackages({ log, environment = process.env, isRoot = process.getuid?.() === 0 }) {
  const missing = missingRequirements(environment);
  if (missing.length === 0) return [];
  const packages = missing.map((requirement) => requirement.package);
  const byHand = `apt-get install --no-install-recommends ${packages.join(' ')}`;

  const apt = findCommand('apt-get', environment);
  if (apt === undefined) {
    const wanted = missing.map(({ command, what }) => `${command} (${what})`).join(', ');
    throw new StepError(
      `these commands are missing and this system has no apt-get to install them with: ${wanted}. Install them ` +
        `with the system's own package manager and put them on the PATH; on Debian: ${byHand}`,
      UNAVAILABLE,
    );
  }
  const prefix = rootPrefix(isRoot, environment, byHand);
  log(`installing ${packages.join(', ')} with apt-get; this can take some minutes`);

  const update = runApt(prefix, apt, ['update'], environment);
  if (update.status !== 0)
    log(`apt-get update failed with exit status ${update.status}; trying with the old lists`);
  const install = runApt(prefix, apt, ['install', '-y', '--no-install-recommends', ...packages], environment);
  if (install.status !== 0) {
    const before = update.status === 0 ? '' : `, after apt-get update failed with ${update.status}`;
    throw new StepError(
      `apt-get install ${packages.join(' ')} failed with exit status ${install.status}${before}:\n` +
        `${indent(install.errors || update.errors)}\nIs the package archive reachable? By hand: ${byHand}`,
      UNAVAILABLE,
    );
  }
  const still = missingRequirements(environment);
  if (still.length > 0) {
    const commands = still.map((requirement) => requirement.command).join(', ');
    throw new StepError(
      `apt-get installed ${packages.join(', ')}, but ${commands} is not on the PATH`,
      UNAVAILABLE,
    );
  }
  return packages;
}

/** @param {Environment} environment */
function missingRequirements(environment) {
  return REQUIREMENTS.filter(({ command }) => findCommand(command, environment) === undefined);
}

/**
 * What makes apt-get run as root: nothing, or sudo, which may ask for a password only on a terminal.
 * @param {boolean} isRoot
 * @param {Environment} environment
 * @param {string} byHand
 * @returns {string[]}
 */
function rootPrefix(isRoot, environment, byHand) {
  if (isRoot) return [];
  const sudo = findCommand('sudo', environment);
  if (sudo === undefined) {
    throw new StepError(
      `packages are missing, and only root can install them. As root: ${byHand}`,
      UNAVAILABLE,
    );
  }
  return [sudo, ...(process.stdin.isTTY ? [] : ['-n']), 'env', 'DEBIAN_FRONTEND=noninteractive'];
}

/**
 * @param {string[]} prefix
 * @param {string} apt
 * @param {string[]} words
 * @param {Environment} environment
 * @returns {{ status: number, errors: string }} `errors`: the last lines that it wrote to stderr
 */
function runApt(prefix, apt, words, environment) {
  const command = [...prefix, apt, '-q', '-o', `DPkg::Lock::Timeout=${LOCK_TIMEOUT}`, ...words];
  const { status, stderr, error } = spawnSync(command[0] ?? apt, command.slice(1), {
    env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['inherit', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) return { status: 127, errors: error.message };
  return { status: status ?? 1, errors: stderr.trim().split('\n').slice(-5).join('\n') };
}

/** @param {string} text */
function indent(text) {
  return text.replace(/^/gm, '    ');
}

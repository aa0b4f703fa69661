// @ts-check
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, StepError } from './step.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, link?: boolean, os?: string[], cpu?: string[],
 *   libc?: string[] }} LockedPackage
 */

/**
 * The first locked package that node_modules does not hold in its locked version, or undefined if all are there.
 * npm writes `node_modules/.package-lock.json` when an installation is complete, so half of one counts as none.
 * @param {string} [root]
 * @returns {string | undefined}
 */
export function missingDependency(root = ROOT) {
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
  const locked = readPackages(join(root, 'package-lock.json')) ?? {};
  for (const [path, { version, ...entry }] of Object.entries(locked)) {
    if (path === '' || !isForThisHost(entry)) continue;
    if (installed?.[path]?.version !== version) return `${path.replace(/^node_modules\//, '')} ${version}`;
  }
  return undefined;
}

/**
 * Installs exactly what package-lock.json says. Install scripts are not needed and not run: what is native comes
 * as prebuilt packages.
 * @param {string} [root]
 */
export function installDependencies(root = ROOT) {
  const words = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm, ...words]] : ['npm', words];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw new StepError(`cannot run npm: ${error.message}`);
  if (status !== 0) {
    throw new StepError(
      `npm ci failed with exit status ${status}: the packages of package-lock.json could not be installed. ` +
        'Is the npm registry reachable?',
    );
  }
  const missing = missingDependency(root);
  if (missing !== undefined) throw new StepError(`npm ci succeeded, but ${missing} is not in node_modules`);
}

/**
 * @param {string} path
 * @returns {Record<string, LockedPackage> | undefined}
 */
function readPackages(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

/**
 * Whether npm installs this package here: a required one, or a prebuilt one for this platform.
 * @param {LockedPackage} entry
 */
function isForThisHost({ optional, os, cpu, libc }) {
  if (!optional) return true;
  if (!os?.includes(process.platform) || !cpu?.includes(process.arch)) return false;
  return libc === undefined || libc.includes(libcFamily());
}

function libcFamily() {
  if (process.report === undefined) return 'glibc';
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

// @ts-check
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {import('./step.mjs').Log} Log */

/**
 * Runs `work` while no other process that uses the same lock file does; waits for one that runs. The lock of a
 * process that has died is taken over.
 * @template T
 * @param {string} path
 * @param {Log} log
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, log, work) {
  mkdirSync(dirname(path), { recursive: true });
  let announced = false;
  while (!take(path)) {
    const owner = ownerOf(path);
    if (owner === undefined) continue;
    if (!isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!announced) log(`process ${owner} is preparing this folder; waiting for it`);
    announced = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * Linking puts the lock there with its owner's number already in it: nobody ever reads an empty one.
 * @param {string} path
 * @returns {boolean} whether the lock is now ours
 */
function take(path) {
  const candidate = `${path}.${process.pid}`;
  writeFileSync(candidate, String(process.pid));
  try {
    linkSync(candidate, path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(candidate, { force: true });
  }
}

/**
 * @param {string} path
 * @returns {number | undefined} undefined if the owner has just gone
 */
function ownerOf(path) {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

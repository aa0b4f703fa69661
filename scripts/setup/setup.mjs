// @ts-check
import { StepError } from '../bootstrap/step.mjs';
import { ensureLibunicorn } from './libunicorn.mjs';
import { ensurePackages } from './packages.mjs';

/** @typedef {import('../bootstrap/step.mjs').Log} Log */

/**
 * Makes sure that every machine is here: QEMU for both architectures and a fitting libunicorn, and the assemblers
 * that the guest stubs are checked with. Says what it does, and nothing when nothing is to do.
 * @param {{ log: Log }} options
 * @returns {Promise<string[]>} what was installed or fetched, for a closing line
 * @throws {StepError} status 3, with what to install by hand
 */
export async function setUp({ log }) {
  const installed = ensurePackages({ log });
  const unicorn = await ensureLibunicorn({ log }).catch((error) => {
    throw new StepError(error.message, 3);
  });
  return unicorn.action === 'downloaded' ? [...installed, `libunicorn ${unicorn.version}`] : installed;
}

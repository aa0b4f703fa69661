// @ts-check
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @typedef {Record<string, string | undefined>} Environment */

/**
 * Where a command is, as a shell would find it.
 * @param {string} name
 * @param {Environment} environment
 * @returns {string | undefined}
 */
export function findCommand(name, environment) {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_FOLDER } from '../package.ts';

/**
 * `mmucheck setup`: installs what is missing and says what it does. It is the program that `npm start` runs before
 * anything is installed or built, so it stays outside the build.
 *
 * @returns the exit status: 0 everything is here, 3 a machine cannot be had
 */
export function runSetup(): number {
  const program = join(PACKAGE_FOLDER, 'scripts', 'setup', 'main.mjs');
  return spawnSync(process.execPath, [program], { stdio: 'inherit' }).status ?? 1;
}

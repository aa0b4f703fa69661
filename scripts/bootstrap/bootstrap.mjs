// @ts-check
import { join } from 'node:path';
import { setUp } from '../setup/setup.mjs';
import { build, isBuilt } from './build.mjs';
import { keepCompiledCode } from './bundle.mjs';
import { installDependencies, missingDependency } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { ROOT, StepError, say } from './step.mjs';

/** The oldest Node.js that mmucheck runs on, as in package.json. */
const OLDEST_NODE = [20, 19];

/**
 * Brings a clone to where everything in it runs: npm's packages, the build, and with `machines` QEMU, binutils and
 * libunicorn. Does only what is missing, one process at a time.
 * @param {{ machines: boolean }} options
 */
export async function bootstrap({ machines }) {
  checkNode();
  if (missingDependency() !== undefined || !isBuilt()) {
    await withLock(join(ROOT, '.cache', 'bootstrap.lock'), say, async () => {
      const missing = missingDependency();
      if (missing !== undefined) {
        say(`installing the npm packages of package-lock.json (${missing} is missing)`);
        installDependencies();
      }
      if (!isBuilt()) {
        say('compiling the TypeScript sources into dist');
        await build();
      }
    });
  }
  if (machines) await setUp({ log: say });
  await keepCompiledCode();
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new StepError(
    `Node.js ${OLDEST_NODE.join('.')} or later is needed; this is ${process.versions.node} (${process.execPath})`,
  );
}

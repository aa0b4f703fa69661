// @ts-check
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Programs of dist, and the names of their bundles in dist/bundle. */
const PROGRAMS = {
  mmucheck: 'harness/cli/main.js',
  'machine-worker': 'harness/machines/worker/worker-entry.js',
};

/** Comes with native code beside it, and is loaded only when a machine needs it: most runs of a command do not. */
const NATIVE = 'koffi';

/**
 * Puts each program with all that it uses into one file: reading some hundred small ones takes longer than most
 * verifications. Modules are still evaluated when they are first needed. Names stay, so that a stack can be read.
 * @param {string} root
 */
export async function bundlePrograms(root) {
  const { build } = await import('rolldown');
  rmSync(join(root, 'dist', 'bundle'), { recursive: true, force: true });
  for (const [name, program] of Object.entries(PROGRAMS)) {
    await build({
      cwd: root,
      input: { [name]: join('dist', program) },
      platform: 'node',
      plugins: [requireWhenNeeded(NATIVE)],
      logLevel: 'warn',
      checks: { ineffectiveDynamicImport: false },
      output: {
        dir: join('dist', 'bundle'),
        format: 'esm',
        codeSplitting: false,
        comments: { legal: true, annotation: false, jsdoc: false },
      },
    });
  }
}

/** @param {string} root */
export function isBundled(root) {
  return Object.keys(PROGRAMS).every((name) => existsSync(join(root, 'dist', 'bundle', `${name}.js`)));
}

/**
 * An import of a package outside of the bundle would be made at the start; require() is made in its turn.
 * @param {string} name
 * @returns {import('rolldown').Plugin}
 */
function requireWhenNeeded(name) {
  const id = `\0require ${name}`;
  return {
    name: 'require-when-needed',
    resolveId: (source) => (source === name ? id : null),
    load: (source) =>
      source === id
        ? `import { createRequire } from 'node:module'; export default createRequire(import.meta.url)('${name}');`
        : null,
  };
}

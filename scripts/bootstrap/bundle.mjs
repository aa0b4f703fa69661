// @ts-check
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './step.mjs';

/**
 * Programs of dist and their bundles in dist/bundle. The command is in CommonJS form, which can be loaded with what V8
 * has compiled before; see bin/program.js.
 */
const PROGRAMS = /** @type {const} */ ([
  { program: 'harness/cli/main.js', bundle: 'mmucheck.cjs', format: 'cjs' },
  { program: 'harness/machines/worker/worker-entry.js', bundle: 'machine-worker.js', format: 'es' },
]);

const COMMAND = join('dist', 'bundle', 'mmucheck.cjs');

/** What the command does in most runs. */
const EXAMPLES = ['examples/x64-user-process.yaml', 'examples/aarch64-firmware-el1.yaml'];

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
  for (const { program, bundle, format } of PROGRAMS) {
    await build({
      cwd: root,
      input: join('dist', program),
      platform: 'node',
      plugins: [requireWhenNeeded(NATIVE)],
      logLevel: 'warn',
      checks: { ineffectiveDynamicImport: false },
      output: {
        file: join('dist', 'bundle', bundle),
        format,
        codeSplitting: false,
        comments: { legal: true, annotation: false, jsdoc: false },
      },
    });
  }
  fitForLoader(join(root, COMMAND));
}

/**
 * Makes sure that the command is kept as V8 compiles it while it runs; without that it only takes longer to start.
 * What the machines need is among it if they are there.
 * @param {string} [root]
 */
export async function keepCompiledCode(root = ROOT) {
  // Not before it is known that this Node.js is new enough for it.
  const { codeCacheOf } = await import('../../bin/program.js');
  const command = join(root, COMMAND);
  if (existsSync(codeCacheOf(command))) return;
  const writer = join(root, 'scripts', 'bootstrap', 'code-cache.mjs');
  spawnSync(process.execPath, [writer, command, ...EXAMPLES], { cwd: root, stdio: 'ignore' });
}

/** @param {string} root */
export function isBundled(root) {
  return PROGRAMS.every(({ bundle }) => existsSync(join(root, 'dist', 'bundle', bundle)));
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

/**
 * Makes a bundle what bin/program.js loads: code that V8 has compiled before knows no import() and is given one, and
 * what is all ASCII is read without decoding.
 * @param {string} file
 */
function fitForLoader(file) {
  const code = readFileSync(file, 'utf8')
    .replaceAll('await import(', 'await importModule(')
    .replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  writeFileSync(file, code);
}

// @ts-check
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bundlePrograms, isBundled } from './bundle.mjs';
import { ROOT, StepError } from './step.mjs';

/** What the build reads. */
const SOURCES = ['src', 'harness', 'qemu', 'guest-stubs', 'bench', 'test/golden'];
const SETTINGS = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/bootstrap/bundle.mjs',
  'scripts/bootstrap/code-cache.mjs',
  'bin/program.js',
];
/** What is copied beside the compiled files: the assembled stubs and published schemas. */
const ASSET = /\.(bin|json)$/;
const FINGERPRINT = join('dist', '.built-from');

/**
 * Whether dist holds what the sources say.
 * @param {string} [root]
 */
export function isBuilt(root = ROOT) {
  const path = join(root, FINGERPRINT);
  return (
    existsSync(path) &&
    readFileSync(path, 'utf8') === fingerprint(root) &&
    isBundled(root) &&
    existsSync(commandLink(root))
  );
}

/**
 * Compiles into dist, copies the assets, bundles the command, and links `node_modules/.bin/mmucheck`, so that
 * `npx mmucheck` works in the clone.
 * @param {string} [root]
 */
export async function build(root = ROOT) {
  const before = fingerprint(root);
  rmSync(join(root, FINGERPRINT), { force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new StepError(`the TypeScript compiler failed with exit status ${status}`);
  for (const file of sourceFiles(root).filter((path) => ASSET.test(path))) {
    mkdirSync(join(root, 'dist', dirname(file)), { recursive: true });
    copyFileSync(join(root, file), join(root, 'dist', file));
  }
  await bundlePrograms(root);
  linkCommand(root);
  writeFileSync(join(root, FINGERPRINT), before);
}

/** @param {string} root */
function commandLink(root) {
  return join(root, 'node_modules', '.bin', 'mmucheck');
}

/** @param {string} root */
function linkCommand(root) {
  const link = commandLink(root);
  if (existsSync(link)) return;
  rmSync(link, { force: true });
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join('..', '..', 'bin', 'mmucheck.js'), link);
}

/**
 * A digest of path, size and time of every file that the build reads, and of the Node.js whose compiled code is kept.
 * @param {string} root
 */
function fingerprint(root) {
  const digest = createHash('sha256').update(process.version);
  for (const path of [...SETTINGS, ...sourceFiles(root)]) {
    const { size, mtimeMs } = statSync(join(root, path));
    digest.update(`${path}\0${size}\0${mtimeMs}\n`);
  }
  return digest.digest('hex');
}

/**
 * @param {string} root
 * @returns {string[]} paths below `root`, sorted
 */
function sourceFiles(root) {
  return SOURCES.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => filesBelow(root, folder))
    .sort();
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(root, path) : [path];
  });
}

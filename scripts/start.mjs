// @ts-check
/**
 * `npm start`: prepares the clone, then verifies the examples on every machine there is.
 * `npm start -- my-layout.yaml …`: the same with the user's own input and any option of `mmucheck verify`.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bootstrap } from './bootstrap/bootstrap.mjs';
import { ROOT, runMain, runNode, StepError, say } from './bootstrap/step.mjs';

const MMUCHECK = join(ROOT, 'bin', 'mmucheck.js');
const AN_INPUT = /\.(ya?ml|json|core|core\.gz)$/;
const A_REGISTERS_FILE = /\.regs\.json$/;

await runMain(async () => {
  await bootstrap({ machines: true });
  const args = process.argv.slice(2);
  return args.length > 0 ? runNode([MMUCHECK, 'verify', ...args]) : verifyExamples();
});

/** @returns {number} the highest exit status */
function verifyExamples() {
  const examples = exampleInputs();
  if (examples.length === 0) throw new StepError('examples/ holds no layout and no capture');
  let failed = 0;
  let status = 0;
  for (const example of examples) {
    say(`verify ${relative(ROOT, example)}`);
    const result = runNode([MMUCHECK, 'verify', example], { inPackage: true });
    process.stdout.write('\n');
    if (result !== 0) failed++;
    status = Math.max(status, result);
  }
  say(
    failed === 0
      ? `all ${examples.length} examples agree with every machine`
      : `${failed} of ${examples.length} examples failed`,
  );
  say('your own: npm start -- my-layout.yaml; everything else: npx mmucheck --help');
  return status;
}

/** Layouts first, then captures. */
function exampleInputs() {
  const paths = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((path) => AN_INPUT.test(path) && !A_REGISTERS_FILE.test(path))
    .sort((a, b) => Number(isCapture(a)) - Number(isCapture(b)) || a.localeCompare(b));
  return paths.map((path) => join(ROOT, 'examples', path));
}

/** @param {string} path */
function isCapture(path) {
  return /\.core(\.gz)?$/.test(path);
}

// @ts-check
/**
 * `npm start`: prepares the clone, then verifies the examples on every machine there is.
 * `npm start -- my-layout.yaml …`: the same with the user's own input and any option of `mmucheck verify`.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap/bootstrap.mjs';
import { ROOT, runMain, runNode, StepError, say } from './bootstrap/step.mjs';

const MMUCHECK = join(ROOT, 'bin', 'mmucheck.js');
const LAYOUT = '.yaml';
const CAPTURE = '.core.gz';

await runMain(async () => {
  await bootstrap({ machines: true });
  const args = process.argv.slice(2);
  return args.length > 0 ? runNode([MMUCHECK, 'verify', ...args]) : verifyExamples();
});

/** @returns {number} the highest exit status */
function verifyExamples() {
  const runs = exampleRuns();
  if (runs.length === 0) throw new StepError('examples/ holds no layout and no capture');
  let failed = 0;
  let status = 0;
  for (const args of runs) {
    say(`verify ${args.join(' ')}`);
    const result = runNode([MMUCHECK, 'verify', ...args], { inPackage: true });
    process.stdout.write('\n');
    if (result !== 0) failed++;
    status = Math.max(status, result);
  }
  say(
    failed === 0
      ? `all ${runs.length} verifications agree with every machine there is`
      : `${failed} of ${runs.length} verifications do not agree`,
  );
  say('your own: npm start -- my-layout.yaml; everything else: npx mmucheck --help');
  return status;
}

/**
 * The arguments of each verification: layouts first, then captures, then layouts with a capture of the same name
 * beside them, which they are to describe.
 * @returns {string[][]}
 */
function exampleRuns() {
  const paths = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('examples', path))
    .sort();
  const captures = paths.filter((path) => path.endsWith(CAPTURE));
  const layouts = paths.filter((path) => path.endsWith(LAYOUT));
  /** @param {string} layout */
  const described = (layout) => captures.find((path) => path === layout.replace(LAYOUT, CAPTURE));
  return [
    ...layouts.filter((layout) => described(layout) === undefined).map((layout) => [layout]),
    ...captures.map((capture) => [capture]),
    ...layouts.flatMap((layout) => {
      const capture = described(layout);
      return capture === undefined ? [] : [[layout, '--tables', capture]];
    }),
  ];
}

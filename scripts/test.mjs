// @ts-check
/** `npm test [-- ARGUMENTS OF VITEST]`: prepares the clone, checks types and style, runs every test, sums up. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap } from './bootstrap/bootstrap.mjs';
import { runMain, runNode, say } from './bootstrap/step.mjs';

/**
 * What vitest's JSON report says, as far as it is read here.
 * @typedef {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { name: string, status: string, assertionResults: { fullName: string, status: string }[] }[]
 * }} TestReport
 */

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

await runMain(async () => {
  await bootstrap({ machines: true });
  const types = check('type check', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
  const style = check('lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']);
  const tests = runTests(process.argv.slice(2));

  const all = [types, style, tests];
  const [passed, failed, skipped] = /** @type {const} */ (['passed', 'failed', 'skipped']).map((key) =>
    all.reduce((sum, counts) => sum + counts[key], 0),
  );
  process.stdout.write('\n');
  say(
    `type check ${verdict(types)}, lint ${verdict(style)}, tests ${verdict(tests)}; each check counts as one:`,
  );
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed === 0 ? 0 : 1;
});

/**
 * @param {string} name
 * @param {string[]} program
 * @returns {Counts}
 */
function check(name, program) {
  say(name);
  const good = runNode(program, { inPackage: true }) === 0;
  return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 };
}

/**
 * @param {string[]} args
 * @returns {Counts}
 */
function runTests(args) {
  say('tests');
  const folder = mkdtempSync(join(tmpdir(), 'mmucheck-test-'));
  try {
    const file = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const vitest = join('node_modules', 'vitest', 'vitest.mjs');
    const status = runNode([vitest, 'run', ...reporters, ...args], { inPackage: true });
    if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
    const counts = countTests(JSON.parse(readFileSync(file, 'utf8')));
    // Vitest also fails for what belongs to no test: a file that cannot be loaded, an unhandled rejection.
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {TestReport} report
 * @returns {Counts}
 */
function countTests(report) {
  const unloadable = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'skipped' || test.status === 'pending') say(`skipped: ${test.fullName}`);
    }
  }
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** @param {Counts} counts */
function verdict({ failed }) {
  return failed === 0 ? 'good' : 'failed';
}

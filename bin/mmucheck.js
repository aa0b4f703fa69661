#!/usr/bin/env node
// @ts-check
/** The command. What it does stands in harness/cli, bundled into one file; this only explains a clone that is not built yet. */
import { compileProgram } from './program.js';

const { existsSync } = process.getBuiltinModule('node:fs');
const program = `${import.meta.dirname}/../dist/bundle/mmucheck.cjs`;

// A reader that has seen enough (`| head`) ends the output, and that is no error.
process.stdout.on('error', (error) => {
  if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EPIPE') process.exit();
  process.stderr.write(`mmucheck: the output cannot be written: ${error.message}\n`);
  process.exit(2); // never 1, which says that something differs
});

if (existsSync(program)) {
  compileProgram(program).run();
} else {
  process.stderr.write(
    "mmucheck: this clone is not built yet. Run 'npm start' in it: that installs, builds and verifies the examples.\n",
  );
  process.exitCode = 2;
}

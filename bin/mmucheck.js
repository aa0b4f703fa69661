#!/usr/bin/env node
// @ts-check
/** The command. What it does stands in harness/cli, bundled into one file; this only explains a clone that is not built yet. */
import { existsSync } from 'node:fs';

const main = new URL('../dist/bundle/mmucheck.js', import.meta.url);

// A reader that has seen enough (`| head`) ends the output, and that is no error.
process.stdout.on('error', (error) => {
  if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EPIPE') throw error;
  process.exit();
});

if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    "mmucheck: this clone is not built yet. Run 'npm start' in it: that installs, builds and verifies the examples.\n",
  );
  process.exitCode = 2;
}

#!/usr/bin/env node
// @ts-check
/** The command. What it does stands in harness/cli; this file only explains a clone that is not built yet. */
import { existsSync } from 'node:fs';

const main = new URL('../dist/harness/cli/main.js', import.meta.url);

if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    "mmucheck: this clone is not built yet. Run 'npm start' in it: that installs, builds and verifies the examples.\n",
  );
  process.exitCode = 2;
}

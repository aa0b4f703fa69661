// @ts-check
/**
 * `node scripts/bootstrap/code-cache.mjs PROGRAM EXAMPLE …`: verifies the examples, one after the other, with the
 * bundled command, and keeps what V8 has compiled meanwhile. What the command prints and finds does not matter.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { codeCacheOf, compileProgram } from '../../bin/program.js';

const [program = '', ...examples] = process.argv.slice(2);
const { script, run } = compileProgram(program);

function next() {
  const example = examples.shift();
  if (example !== undefined) {
    process.argv = [process.execPath, program, 'verify', example];
    run();
    return;
  }
  process.off('beforeExit', next);
  process.exitCode = 0;
  // Nobody is to load half of it.
  const whole = `${codeCacheOf(program)}.${process.pid}`;
  writeFileSync(whole, script.createCachedData());
  renameSync(whole, codeCacheOf(program));
}

// The command has ended when nothing is left to do.
process.on('beforeExit', next);
next();

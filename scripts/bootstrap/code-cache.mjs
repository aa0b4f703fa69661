// @ts-check
/**
 * `node scripts/bootstrap/code-cache.mjs PROGRAM EXAMPLE …`: verifies the examples, one after the other, with the
 * bundled command, and keeps what V8 has compiled meanwhile. What the command prints and finds does not matter.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { codeCacheOf, compileProgram } from '../../bin/program.js';

const [program = '', ...examples] = process.argv.slice(2);
rmSync(codeCacheOf(program), { force: true });
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
  writeFileSync(codeCacheOf(program), script.createCachedData());
}

// The command has ended when nothing is left to do.
process.on('beforeExit', next);
next();

// @ts-check
/** `node scripts/run.mjs PROGRAM …`: runs a program of dist with npm's packages and the build made sure of. */
import { join } from 'node:path';
import { bootstrap } from './bootstrap/bootstrap.mjs';
import { ROOT, runMain, runNode, StepError } from './bootstrap/step.mjs';

await runMain(async () => {
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined) throw new StepError('run.mjs needs the name of a program below dist');
  await bootstrap({ machines: false });
  return runNode([join(ROOT, 'dist', program), ...args], { inPackage: true });
});

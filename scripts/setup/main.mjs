// @ts-check
/** `mmucheck setup`: installs what is missing. Runs without node_modules and without a build. */
import { runMain, say } from '../bootstrap/step.mjs';
import { setUp } from './setup.mjs';

await runMain(async () => {
  const done = await setUp({ log: say });
  say(done.length === 0 ? 'everything is here already' : `installed ${done.join(', ')}`);
  return 0;
});

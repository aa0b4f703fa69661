// @ts-check
/** `npm run build`: dist from the sources; npm's packages are installed first if they are missing. */
import { bootstrap } from './bootstrap/bootstrap.mjs';
import { runMain, say } from './bootstrap/step.mjs';

await runMain(async () => {
  await bootstrap({ machines: false });
  say('dist is up to date');
  return 0;
});

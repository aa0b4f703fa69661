import fc from 'fast-check';

/**
 * Property tests draw the same cases in every run, so that a red run can be repeated as it was. Other cases:
 * `MMUCHECK_SEED=123 npm test`, or `MMUCHECK_SEED=random npm test` (a failure then prints its own seed).
 */
const DEFAULT_SEED = 20_261_121;

const wanted = process.env.MMUCHECK_SEED ?? String(DEFAULT_SEED);
if (wanted !== 'random') {
  const seed = Number(wanted);
  if (!Number.isSafeInteger(seed))
    throw new RangeError(`MMUCHECK_SEED is ${wanted}: expected a whole number or "random"`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}

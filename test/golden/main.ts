import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { driverFor } from './drivers.ts';
import { replayFile, type Tally } from './replay.ts';
import { readVectorFile, VectorFileError } from './script.ts';

/** Failures of one file that are shown in full. */
const SHOWN_FAILURES = 10;
const SUFFIX = '.json.gz';

/** `npm run golden -- DIR`: exit status 0 if nothing failed, 1 if something did, 2 on bad input. */
process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  const [directory] = args;
  if (directory === undefined || args.length > 1) {
    console.error('usage: npm run golden -- DIR    (replays every *.json.gz in DIR)');
    return 2;
  }
  try {
    return replayDirectory(directory);
  } catch (error) {
    if (!(error instanceof VectorFileError)) throw error;
    console.error(error.message);
    return 2;
  }
}

/** @throws VectorFileError */
function replayDirectory(directory: string): number {
  const total: Tally = { passed: 0, failed: 0, deviations: 0 };
  for (const path of vectorFiles(directory)) {
    const name = basename(path, SUFFIX);
    const file = readVectorFile(path);
    const driver = driverFor(file.crate);
    if (driver === undefined) {
      console.log(`${name}: not yet supported (crate ${file.crate})`);
      continue;
    }
    const report = replayFile(file, driver);
    console.log(`${name}: ${summary(report)}`);
    for (const [rule, calls] of report.rules) console.log(`  ${rule}: ${calls} calls`);
    for (const failure of report.failures.slice(0, SHOWN_FAILURES)) console.error(`  ${failure}`);
    const hidden = report.failures.length - SHOWN_FAILURES;
    if (hidden > 0) console.error(`  and ${hidden} more`);
    total.passed += report.passed;
    total.failed += report.failed;
    total.deviations += report.deviations;
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.deviations} deviations`);
  return total.failed > 0 ? 1 : 0;
}

/** @throws VectorFileError if the directory cannot be read or has no vectors */
function vectorFiles(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (cause) {
    throw new VectorFileError(`cannot read ${directory}: ${(cause as Error).message}`, { cause });
  }
  const vectors = names.filter((name) => name.endsWith(SUFFIX)).sort();
  if (vectors.length === 0) throw new VectorFileError(`${directory} has no *${SUFFIX} files`);
  return vectors.map((name) => join(directory, name));
}

function summary({ passed, failed, deviations }: Tally): string {
  return `passed ${passed}, failed ${failed}, deviations ${deviations}`;
}

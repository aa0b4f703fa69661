import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { driverFor } from './drivers.ts';
import { replayFile, type Tally } from './replay.ts';
import { readVectorFile, VectorFileError } from './script.ts';

/** Failures of one file that are shown in full. */
const SHOWN_FAILURES = 10;
const SUFFIX = '.json.gz';

/** Where the command writes, line by line. */
export interface Output {
  log(line: string): void;
  error(line: string): void;
}

/**
 * `npm run golden -- DIR`: replays every vector file of a directory.
 * @returns the exit status: 0 if nothing failed, 1 if something did, 2 on bad input
 */
export function runGolden(args: readonly string[], output: Output): number {
  const [directory] = args;
  if (directory === undefined || args.length > 1) {
    output.error('usage: npm run golden -- DIR    (replays every *.json.gz in DIR)');
    return 2;
  }
  try {
    return replayDirectory(directory, output);
  } catch (error) {
    if (!(error instanceof VectorFileError)) throw error;
    output.error(error.message);
    return 2;
  }
}

/** @throws VectorFileError */
function replayDirectory(directory: string, output: Output): number {
  const total: Tally = { passed: 0, failed: 0, deviations: 0 };
  for (const path of vectorFiles(directory)) {
    const name = basename(path, SUFFIX);
    const file = readVectorFile(path);
    const driver = driverFor(file.crate);
    if (driver === undefined) {
      output.log(`${name}: not yet supported (crate ${file.crate})`);
      continue;
    }
    const report = replayFile(file, driver);
    output.log(`${name}: ${summary(report)}`);
    for (const [rule, calls] of report.rules) output.log(`  ${rule}: ${calls} calls`);
    for (const failure of report.failures.slice(0, SHOWN_FAILURES)) output.error(`  ${failure}`);
    const hidden = report.failures.length - SHOWN_FAILURES;
    if (hidden > 0) output.error(`  and ${hidden} more`);
    total.passed += report.passed;
    total.failed += report.failed;
    total.deviations += report.deviations;
  }
  output.log(`${total.passed} passed, ${total.failed} failed, ${total.deviations} deviations`);
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

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFilesAtomically } from '../atomic-file.ts';
import { fileProblem } from '../inputs/file-problem.ts';
import { InputError } from '../inputs/input-error.ts';
import { loadInput } from '../inputs/load-input.ts';
import { selectMachines } from '../machines/registry.ts';
import type { Coverage } from '../plan-points.ts';
import type { Report } from '../report.ts';
import { loadReporter, type ReporterName } from '../reporters/reporter.ts';
import { verify } from '../verify.ts';
import { type CliIo, ExitStatus } from './io.ts';
import { refuseOwnInputs } from './own-inputs.ts';
import { Progress } from './progress.ts';

export interface VerifyCliOptions {
  readonly tables?: string;
  readonly machine: readonly string[];
  readonly coverage: Coverage;
  readonly reporter: ReporterName;
  readonly outputFile?: string;
  readonly maxMismatches: number;
}

/** `mmucheck verify`. @returns the exit status */
export async function runVerify(path: string, options: VerifyCliOptions, io: CliIo): Promise<number> {
  const { tables, outputFile } = options;
  if (outputFile !== undefined) {
    await requireWritable(outputFile);
    await refuseOwnInputs([outputFile], tables === undefined ? [path] : [path, tables]);
  }
  const [reporter, input] = await Promise.all([
    loadReporter(options.reporter),
    loadInput(path, tables === undefined ? {} : { tables }),
  ]);
  const progress = io.showsProgress ? new Progress(io.err) : undefined;
  const report = await verify(input, {
    machines: selectMachines(options.machine, input.architecture),
    required: options.machine.length > 0,
    coverage: options.coverage,
    maxMismatches: options.maxMismatches,
    signal: io.interrupted,
    ...(progress !== undefined && { onProgress: progress.update }),
  }).finally(() => progress?.end());
  const text = reporter(report, { colours: outputFile === undefined && io.colours });
  if (outputFile === undefined) io.out(text);
  else await writeFilesAtomically([{ path: outputFile, content: text }]);
  return statusOf(report, io);
}

/** Before any machine is started: it would be a pity to lose its answers. */
async function requireWritable(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new InputError(path, `cannot be written: folder '${folder}': ${fileProblem(error)}`, {
      cause: error,
    });
  }
  const target = await stat(path).catch(() => undefined);
  if (target?.isDirectory()) throw new InputError(path, 'cannot be written: it is a folder');
}

function statusOf({ verdict, machines }: Report, io: CliIo): number {
  for (const { name, status, reason } of machines) {
    if (status === 'failed') io.err(`${name} broke off: ${reason?.replace(`${name}: `, '')}\n`);
  }
  switch (verdict) {
    case 'agree':
      return ExitStatus.Agree;
    case 'mismatch':
      return ExitStatus.Mismatch;
    case 'incomplete':
      if (machines.every(({ status }) => status === 'absent')) {
        io.err("no machine has verified these tables; 'mmucheck doctor' says what is missing\n");
      }
      return ExitStatus.MachineUnavailable;
  }
}

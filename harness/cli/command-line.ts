import { CommanderError } from 'commander';
import { InputError } from '../inputs/input-error.ts';
import { MachineError } from '../machine.ts';
import { type CliIo, ExitStatus, Interrupted } from './io.ts';
import { buildProgram } from './program.ts';

/** Runs one command. Never throws: what goes wrong becomes a message and an exit status. */
export async function runCommandLine(args: readonly string[], io: CliIo): Promise<number> {
  let status: number = ExitStatus.Agree;
  const program = buildProgram(io, (result) => {
    status = result;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    return explainFailure(error, io);
  }
}

function explainFailure(error: unknown, io: CliIo): number {
  if (error instanceof CommanderError) {
    // Commander has printed help or the complaint already.
    return error.exitCode === 0 ? ExitStatus.Agree : ExitStatus.BadInput;
  }
  if (error instanceof Interrupted) {
    io.err('mmucheck: interrupted\n');
    return ExitStatus.Interrupted;
  }
  if (error instanceof InputError || hasName(error, 'MachineSelectionError')) {
    io.err(`${error.message}\n`);
    return ExitStatus.BadInput;
  }
  if (error instanceof MachineError) {
    io.err(`${error.message}\n`);
    return ExitStatus.MachineUnavailable;
  }
  io.err(`mmucheck: a defect of mmucheck itself:\n${(error as Error).stack ?? error}\n`);
  return ExitStatus.InternalError;
}

/** Compares by name so that the class's module need not be loaded. */
function hasName(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name;
}

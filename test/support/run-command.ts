import { runCommandLine } from '../../harness/cli/command-line.ts';

/** What a command ended with and printed. */
export interface CommandResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, without colours or progress. */
export async function runCommand(...args: readonly string[]): Promise<CommandResult> {
  return await runInterruptible(new AbortController().signal, args);
}

/** As {@link runCommand}, until the signal is aborted. */
export async function runInterruptible(
  interrupted: AbortSignal,
  args: readonly string[],
): Promise<CommandResult> {
  let out = '';
  let err = '';
  const status = await runCommandLine(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    colours: false,
    showsProgress: false,
    interrupted,
  });
  return { status, out, err };
}

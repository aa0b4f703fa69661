/** What the command line sees of its process; tests give their own. */
export interface CliIo {
  /** Standard output: results. */
  out(text: string): void;
  /** Standard error: messages and progress. */
  err(text: string): void;
  /** Whether standard output is a terminal that shows colours. */
  readonly colours: boolean;
  /** Whether standard error is a terminal, so that progress may be drawn on it. */
  readonly showsProgress: boolean;
  /** Aborted when the user interrupts. */
  readonly interrupted: AbortSignal;
}

/** The exit statuses that the README lists, and what a shell expects after SIGINT. */
export const ExitStatus = {
  Agree: 0,
  Mismatch: 1,
  BadInput: 2,
  MachineUnavailable: 3,
  /** A defect of mmucheck itself (EX_SOFTWARE of sysexits.h). */
  InternalError: 70,
  /** 128 + SIGINT. */
  Interrupted: 130,
} as const;

/** The reason with which {@link CliIo.interrupted} is aborted. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  constructor() {
    super('interrupted');
  }
}

/**
 * Standard streams, and SIGINT as an abort: what was started is ended before the process exits. A second
 * signal ends it at once.
 */
export function processIo(): CliIo {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Not `once`: execa ends the process itself when it finds no other listener.
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(ExitStatus.Interrupted);
      controller.abort(new Interrupted());
    });
  }
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colours: process.stdout.isTTY === true && process.stdout.hasColors(),
    showsProgress: process.stderr.isTTY === true,
    interrupted: controller.signal,
  };
}

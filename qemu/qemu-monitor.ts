import type { Readable, Writable } from 'node:stream';
import { MachineError } from '../harness/machine.ts';

/** An answer of QMP (QEMU's qmp-spec): the greeting, a result, an error, or an event. */
interface Answer {
  readonly QMP?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** Command-line arguments that put QMP on QEMU's standard input and output. */
export const MONITOR_ARGUMENTS = ['-chardev', 'stdio,id=qmp,signal=off', '-mon', 'chardev=qmp,mode=control'];

/** QEMU's monitor: commands and their answers, one at a time. */
export class QemuMonitor {
  readonly #machine: string;
  readonly #input: Writable;
  readonly #lines: LineQueue;
  #greeted = false;

  constructor(machine: string, input: Writable, output: Readable) {
    this.#machine = machine;
    this.#input = input;
    // What goes wrong with a pipe shows as the end of the answers.
    input.on('error', () => {});
    this.#lines = new LineQueue(output);
  }

  /**
   * Runs a command of the human monitor ("info tlb").
   * @returns what it prints
   * @throws MachineError 'failed' if QEMU refuses it or ends
   */
  async humanCommand(commandLine: string): Promise<string> {
    if (!this.#greeted) {
      this.#greeted = true;
      await this.#answer((answer) => answer.QMP !== undefined);
      await this.#execute('qmp_capabilities');
    }
    return String(await this.#execute('human-monitor-command', { 'command-line': commandLine }));
  }

  async #execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#input.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    const answer = await this.#answer(
      ({ return: result, error }) => result !== undefined || error !== undefined,
    );
    if (answer.error === undefined) return answer.return;
    throw new MachineError(
      this.#machine,
      'failed',
      `QEMU's monitor refused ${command}: ${answer.error.desc}`,
    );
  }

  /** The next answer of a kind; events in between are passed over. */
  async #answer(isWanted: (answer: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const line = await this.#lines.next();
      if (line === undefined) throw new MachineError(this.#machine, 'failed', "QEMU's monitor ended");
      const answer = JSON.parse(line) as Answer;
      if (isWanted(answer)) return answer;
    }
  }
}

/**
 * The lines of a stream, which is read from now on: execa throws away what nobody reads. A line may have tens of
 * megabytes ("info tlb").
 */
class LineQueue {
  readonly #lines: string[] = [];
  #parts: string[] = [];
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: Readable) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => this.#take(chunk));
    for (const event of ['end', 'close', 'error']) {
      stream.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** The next line, or undefined once the stream has ended. */
  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift();
  }

  #take(chunk: string): void {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      this.#lines.push(this.#parts.join('') + chunk.slice(start, end));
      this.#parts = [];
      start = end + 1;
    }
    this.#parts.push(chunk.slice(start));
    this.#wake();
  }
}

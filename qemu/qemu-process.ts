import { existsSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { MachineError } from '../harness/machine.ts';
import type { GuestRam } from './guest-ram.ts';
import { MONITOR_ARGUMENTS, QemuMonitor } from './qemu-monitor.ts';

/** What to run. */
export interface QemuCommand {
  /** Our machine's name, for messages: "qemu-x64". */
  readonly machine: string;
  /** "qemu-system-x86_64". */
  readonly executable: string;
  /** QEMU's name of the CPU model with its properties. */
  readonly cpu: string;
  /** Inherited by QEMU as descriptor 3. */
  readonly ram: GuestRam;
  /** Where the processor starts (the loader device's address). */
  readonly start: number;
  /** More arguments. */
  readonly extra?: readonly string[];
  /** Whether {@link QemuProcess.humanCommand} will be used. */
  readonly monitor?: boolean;
  /** Whether this process has precedence over QEMU where there are too few cores: for long work, not for quick answers. */
  readonly givesWay?: boolean;
  /** More descriptors for QEMU, inherited as 4, 5 …; an argument names them as /dev/fd/N. */
  readonly descriptors?: readonly number[];
}

/** The wait for a guest spins this long, because most batches take less, … */
const SPIN_MS = 0.3;
/** … then lets other work of this process run between looks, … */
const YIELD_MS = 1;
/** … and then sleeps between looks. */
const SLEEP_MS = 1;
/** Near the end of known work a wait sleeps shorter than a timer can: the guest is idle from the end to the next look. */
const NAP_MS = 0.05;
/** A guest that nobody has waited for in this time is stopped: it would spin at its doorbell. */
const IDLE_MS = 10;

/**
 * How much nicer a guest that gives way is: while it waits it spins, and would keep a core from what it waits for.
 * It is set before QEMU has threads, which inherit it.
 */
const NICER = 5;
const NICEST = 19;
/**
 * What QEMU translates a fetch from missing memory to is used once, and takes room all the same: a buffer that stays in
 * the processor's cache makes such a fetch a fifth faster than one of QEMU's default size (a GiB).
 */
const TRANSLATION_BUFFER_MIB = 16;
/** The part of QEMU's stderr that goes into messages. */
const STDERR_LIMIT = 2_000;

/**
 * A QEMU process on a board without devices: `-machine none`, RAM from physical 0, one processor.
 * It dies with this process, however this process ends.
 */
export class QemuProcess {
  readonly #machine: string;
  readonly #child: ReturnType<typeof spawn>;
  #stderr = '';
  readonly #monitor: QemuMonitor | undefined;
  #ended: string | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #paused = false;

  constructor(command: QemuCommand) {
    this.#machine = command.machine;
    const [file, ...args] = dieWithParent([command.executable, ...boardArguments(command)]);
    const withMonitor = command.monitor === true;
    const descriptors = [command.ram.descriptor, ...(command.descriptors ?? [])];
    this.#child = spawn(file as string, args, withMonitor ? 'pipe' : 'ignore', descriptors);
    if (command.givesWay === true && this.#child.pid !== undefined)
      setPriority(this.#child.pid, Math.min(getPriority() + NICER, NICEST));
    const { stdin, stdout } = this.#child;
    this.#monitor = stdin && stdout ? new QemuMonitor(this.#machine, stdin, stdout) : undefined;
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_LIMIT);
    });
    void this.#child.then((result) => {
      this.#ended = endOf(result);
    });
  }

  /** Undefined before the process exists or if it could not be started. */
  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** Whether the process is known to have ended, for whatever reason. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Waits until `condition` holds; it is asked again and again, without starving the event loop.
   * @param what completes "QEMU … before WHAT" in the error
   * @param isNear whether the condition will hold soon: until then there is a sleep between looks, from then on a nap
   * @throws MachineError 'failed' if QEMU ends first, or the limit in milliseconds passes: then it is killed
   */
  async waitUntil(
    condition: () => boolean,
    limit: number,
    what: string,
    isNear?: () => boolean,
  ): Promise<void> {
    this.resume();
    await this.#waitUntil(condition, limit, what, isNear);
    this.#idleTimer = setTimeout(() => this.#pause(), IDLE_MS).unref();
  }

  /**
   * Runs a command of QEMU's human monitor, while the guest waits for the host.
   * @returns what it prints
   * @throws MachineError 'failed' if QEMU refuses it, has ended, or the limit in milliseconds passes: then it is killed
   */
  async humanCommand(commandLine: string, limit: number): Promise<string> {
    if (this.#monitor === undefined) throw this.#failure('QEMU was started without a monitor');
    this.resume();
    let hasTimedOut = false;
    const timer = setTimeout(() => {
      hasTimedOut = true;
      void this.stop(); // ends the monitor's answers
    }, limit);
    try {
      return await this.#monitor.humanCommand(commandLine);
    } catch (cause) {
      if (!hasTimedOut) throw cause;
      await this.stop();
      throw this.#failure(
        `QEMU's monitor took more than ${limit / 1000} s for "${commandLine}" and was killed`,
      );
    } finally {
      clearTimeout(timer);
      if (this.#ended === undefined) this.#idleTimer = setTimeout(() => this.#pause(), IDLE_MS).unref();
    }
  }

  /** Stops the guest until {@link resume}, instead of when it has waited for some time. */
  pause(): void {
    clearTimeout(this.#idleTimer);
    this.#pause();
  }

  /** Lets a paused guest run; {@link waitUntil} does it too. */
  resume(): void {
    clearTimeout(this.#idleTimer);
    if (this.#paused) this.#child.kill('SIGCONT');
    this.#paused = false;
  }

  async #waitUntil(
    condition: () => boolean,
    limit: number,
    what: string,
    isNear?: () => boolean,
  ): Promise<void> {
    const start = performance.now();
    for (;;) {
      if (condition()) return;
      if (this.#ended !== undefined) throw this.#failure(`QEMU ${this.#ended} before ${what}`);
      const waited = performance.now() - start;
      if (waited > limit) {
        await this.stop();
        throw this.#failure(`QEMU took more than ${limit / 1000} s before ${what} and was killed`);
      }
      if (isNear?.() === false) {
        await new Promise((resolve) => setTimeout(resolve, SLEEP_MS));
      } else if (isNear !== undefined && waited > YIELD_MS) {
        Atomics.wait(NAP, 0, 0, NAP_MS);
        await new Promise((resolve) => setImmediate(resolve));
      } else if (waited > YIELD_MS) await new Promise((resolve) => setTimeout(resolve, SLEEP_MS));
      else if (waited > SPIN_MS) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Kills the process and waits for its end. Safe to call more than once. */
  async stop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    this.#child.kill('SIGKILL');
    await this.#child;
  }

  #pause(): void {
    if (this.#ended === undefined && !this.#paused) this.#paused = this.#child.kill('SIGSTOP');
  }

  #failure(message: string): MachineError {
    const stderr = this.#stderr.trim();
    return new MachineError(
      this.#machine,
      'failed',
      stderr === '' ? message : `${message}; it said: ${stderr}`,
    );
  }
}

/** Nobody wakes who naps here. */
const NAP = new Int32Array(new SharedArrayBuffer(4));

/** How a process ended, to follow "QEMU". */
function endOf(result: Awaited<ReturnType<typeof spawn>>): string {
  if (result.signal === 'SIGBUS') return 'was ended by SIGBUS (there was no storage left for its memory)';
  if (result.signal !== undefined) return `was ended by ${result.signal}`;
  if (result.exitCode !== undefined) return `exited with status ${result.exitCode}`;
  return `could not be started: ${result.originalMessage ?? 'for an unknown reason'}`;
}

function boardArguments(command: QemuCommand): string[] {
  const { size } = command.ram;
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...[
      '-machine',
      'none,memory-backend=ram',
      '-accel',
      `tcg,tb-size=${TRANSLATION_BUFFER_MIB}`,
      '-cpu',
      command.cpu,
      '-m',
      `${size / 1024}K`,
    ],
    ...['-object', `memory-backend-file,id=ram,size=${size},mem-path=/dev/fd/3,share=on,reserve=off`],
    ...['-device', `loader,cpu-num=0,addr=0x${command.start.toString(16)}`],
    ...(command.monitor === true ? MONITOR_ARGUMENTS : []),
    ...(command.extra ?? []),
  ];
}

function spawn(
  file: string,
  args: readonly string[],
  monitor: 'pipe' | 'ignore',
  descriptors: readonly number[],
) {
  return execa(file, args, {
    reject: false,
    buffer: false,
    cleanup: true,
    // A process that is paused takes no other signal.
    killSignal: 'SIGKILL',
    // execa takes any descriptor; its types know 0 to 9.
    stdio: [monitor, monitor, 'pipe', ...(descriptors as readonly 3[])],
  });
}

/** On Linux the kernel ends the child with its parent, even after SIGKILL, if util-linux's setpriv is there to ask. */
function dieWithParent(command: readonly string[]): readonly string[] {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const hasSetpriv =
    process.platform === 'linux' && folders.some((folder) => existsSync(join(folder, 'setpriv')));
  return hasSetpriv ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

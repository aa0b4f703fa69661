import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type MachineOptions,
  type Observations,
  type ProbeList,
} from '../../machine.ts';
import { PACKAGE_FOLDER } from '../../package.ts';
import {
  type Answer,
  buffersOf,
  memoryFrom,
  movableMemory,
  movableProbes,
  observationsFrom,
  type Request,
  type Results,
  type WorkerOptions,
} from './messages.ts';

/** The bundle of worker-entry.ts: a thread needs a file. */
const PROGRAM = join(PACKAGE_FOLDER, 'dist', 'bundle', 'machine-worker.js');

/** Whether there is such a file to the code that runs: not to TypeScript sources. */
export const HAS_THREADS: boolean = !import.meta.url.endsWith('.ts') && existsSync(PROGRAM);

/** Settles the promise of one request. */
interface Waiting {
  resolve(result: Results[Request['kind']]): void;
  reject(error: MachineError): void;
}

/**
 * A machine in a thread of its own: this one goes on while it works. The thread is there from {@link load} to
 * {@link close}. It has neither loadLive nor listLeaves.
 */
export class WorkerMachine implements Machine {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #timeLimit: number | undefined;
  #thread: MachineThread | undefined;

  /** @param name as MACHINES of registry.ts knows the machine */
  constructor(name: string, capabilities: Capabilities, options: MachineOptions) {
    this.name = name;
    this.capabilities = capabilities;
    this.#timeLimit = options.timeLimit;
  }

  async load({ registers, memory }: GuestImage): Promise<void> {
    this.#thread ??= new MachineThread(this.name, { machine: this.name, timeLimit: this.#timeLimit });
    await this.#thread.ask({ kind: 'load', registers, memory: movableMemory(memory) });
  }

  async probe(probes: ProbeList): Promise<Observations> {
    const thread = this.#current();
    try {
      return observationsFrom(await thread.ask({ kind: 'probe', probes: movableProbes(probes) }));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async readBack(): Promise<PhysicalMemory> {
    return memoryFrom(await this.#current().ask({ kind: 'read-back' }));
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }

  #current(): MachineThread {
    if (this.#thread === undefined) throw new MachineError(this.name, 'failed', 'no image is loaded');
    return this.#thread;
  }
}

/** A thread that answers requests in their order. */
class MachineThread {
  readonly #machine: string;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: MachineError | undefined;

  constructor(machine: string, workerData: WorkerOptions) {
    this.#machine = machine;
    this.#worker = new Worker(PROGRAM, { workerData });
    this.#worker.on('message', (answer: Answer) => this.#take(answer));
    this.#worker.on('error', (error) => this.#fail(error.message));
    this.#worker.on('exit', () => this.#fail('its thread has ended'));
  }

  /** @throws MachineError what the machine threw, or 'failed' if the thread ends */
  async ask<Kind extends Request['kind']>(
    request: Request & { readonly kind: Kind },
  ): Promise<Results[Kind]> {
    if (this.#failure !== undefined) throw this.#failure;
    return await new Promise<Results[Kind]>((resolve, reject) => {
      this.#waiting.push({ resolve: resolve as Waiting['resolve'], reject });
      this.#worker.postMessage(request, buffersOf(request));
    });
  }

  /** Closes the machine after what it is doing, and ends the thread. */
  async end(): Promise<void> {
    await this.ask({ kind: 'close' }).catch(() => {});
    await this.#worker.terminate();
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.shift();
    if ('error' in answer) {
      waiting?.reject(new MachineError(this.#machine, answer.error.code, answer.error.message));
    } else waiting?.resolve(answer.result);
  }

  #fail(what: string): void {
    this.#failure ??= new MachineError(this.#machine, 'failed', what);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

import type { AccessList } from '../src/access-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { OutcomeList } from '../src/outcome-list.ts';
import type { Architecture, Registers } from '../src/registers.ts';
import type { ListedLeaves } from './listed-leaves.ts';
import type { LiveGuest } from './live-guest.ts';

/** What a machine runs on: the tables under test and the registers that install them. */
export interface GuestImage {
  readonly registers: Registers;
  /** All memory that the tables under test occupy. A machine copies it and never writes to it. */
  readonly memory: PhysicalMemory;
}

/** Accesses to perform. */
export interface ProbeList {
  readonly accesses: AccessList;
  /**
   * For each access the number of the 4 KiB frame in which it is expected to land, −1 for none. It serves
   * preparation only and never the answer: a machine tags these frames where it has memory for them and
   * keeps its own stub out of them.
   */
  readonly expectedFrames: Float64Array;
}

/** What a machine answered. */
export interface Observations {
  /** One outcome per access, in order; a column that the machine could not observe is not `known`. */
  readonly outcomes: OutcomeList;
  /** Why records have less than the machine's usual answer, keyed by access index (rare cases only). */
  readonly remarks: ReadonlyMap<number, string>;
  /** Seconds that the guest itself spent on the probes, by its own clock or the emulator's; NaN if unknown. */
  readonly guestSeconds: number;
}

/** What a machine enforces and can observe. */
export interface Capabilities {
  readonly architecture: Architecture;
  /** Version of the emulator, e.g. "7.2.22". */
  readonly version: string;
  /** Bits of {@link Known} that it can answer in the ordinary case. */
  readonly observes: number;
  /** Features whose absence makes an image unfit for this machine, by the field's names ("LA57", "LPA2"). */
  readonly features: readonly string[];
  /** What it cannot observe or does not enforce, each a sentence for `mmucheck doctor`. */
  readonly limits: readonly string[];
}

/** A machine: an emulator or real silicon that installs tables and touches addresses. */
export interface Machine {
  /** "qemu-x64", "unicorn-aarch64". */
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Installs memory and registers; may be called again with another image.
   * @throws MachineError if the image needs what the machine does not have
   */
  load(image: GuestImage): Promise<void>;
  /**
   * Installs memory and registers as {@link load} does, those that concern the TLB (x64: CR4.PGE) included, for tables
   * that change while the guest runs. {@link probe} then leaves cached translations alone, and makes no access that
   * would meet the machine's own part of the guest. Absent where a machine cannot do that.
   * @throws MachineError as {@link load}
   */
  loadLive?(image: GuestImage): Promise<LiveGuest>;
  /** Performs the accesses. May be called many times after one {@link load}. */
  probe(probes: ProbeList): Promise<Observations>;
  /**
   * The leaves of the tables in force as the machine itself lists them, its own part of the guest included. What
   * no access shows (x64: PWT, PCD, G) can be compared there. Absent where the machine has no such list.
   */
  listLeaves?(): Promise<ListedLeaves>;
  /** Copies of the loaded image's ranges as the guest left them: A/D bits, and whatever else changed. */
  readBack(): Promise<PhysicalMemory>;
  /** Ends the machine. Safe to call at any time and more than once; leaves no process and no file. */
  close(): Promise<void>;
}

/** Starts machines of one kind. */
export interface MachineProvider {
  readonly name: string;
  readonly architecture: Architecture;
  /** What is there, without starting it: the version, or why it is absent and what to install. */
  detect(): Promise<
    | { readonly available: true; readonly capabilities: Capabilities }
    | { readonly available: false; readonly reason: string }
  >;
  /** @throws MachineError with code 'absent' if {@link detect} says so */
  open(options?: MachineOptions): Promise<Machine>;
}

export interface MachineOptions {
  /** Wall-clock limit in milliseconds for one start or one batch of probes; default 60 000. */
  readonly timeLimit?: number;
  /** About how many accesses are to come; default few. For many, a start that costs more may pay. */
  readonly expectedProbes?: number;
  /** How many processor cores it may keep busy; default 1. */
  readonly cores?: number;
}

/** absent: not installed or too old; unfit: the image needs what it lacks; failed: it broke or ran out of time. */
export type MachineErrorCode = 'absent' | 'unfit' | 'failed';

export class MachineError extends Error {
  override readonly name = 'MachineError';
  readonly code: MachineErrorCode;
  readonly machine: string;

  constructor(machine: string, code: MachineErrorCode, message: string, options?: ErrorOptions) {
    super(`${machine}: ${message}`, options);
    this.code = code;
    this.machine = machine;
  }
}

/** Whatever a machine threw, as a {@link MachineError}: what it did not foresee is a failure of its own. */
export function machineErrorOf(machine: string, error: unknown): MachineError {
  if (error instanceof MachineError) return error;
  return new MachineError(machine, 'failed', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}

import type { Architecture } from '../../../src/registers.ts';
import {
  type Capabilities,
  type GuestImage,
  MachineError,
  type MachineOptions,
  type MachineProvider,
} from '../../machine.ts';
import { openSharded } from '../sharded-machine.ts';
import { HAS_THREADS, WorkerMachine } from '../worker/worker-machine.ts';
import { findLibunicorn, UnicornAbsentError, type UnicornLibrary } from './library.ts';
import { type GuestFactory, type LiveGuestFactory, UnicornMachine } from './machine.ts';

/** What one architecture's machine has of its own. */
export interface UnicornKind {
  readonly name: string;
  readonly architecture: Architecture;
  capabilities(version: string): Capabilities;
  /** @throws RangeError saying why the processor cannot run the image */
  createGuest(library: UnicornLibrary, image: GuestImage): ReturnType<GuestFactory>;
  /** As createGuest, for tables that change while the guest runs; absent where that is not possible. */
  createLiveGuest?(library: UnicornLibrary, image: GuestImage): ReturnType<LiveGuestFactory>;
}

/** A thread starts in the time that some ten thousand probes take. */
const PROBES_FOR_THREADS = 100_000;

/** A provider of machines in this process: in its first thread, or in others where many probes are to come. */
export function unicornProvider(kind: UnicornKind): MachineProvider {
  const { name, architecture, createLiveGuest } = kind;
  return {
    name,
    architecture,

    async detect() {
      try {
        const { version } = await findLibunicorn();
        return { available: true, capabilities: kind.capabilities(version) };
      } catch (error) {
        if (error instanceof UnicornAbsentError) return { available: false, reason: error.message };
        throw error;
      }
    },

    async open(options: MachineOptions = {}) {
      try {
        const library = await findLibunicorn();
        const capabilities = kind.capabilities(library.version);
        if (HAS_THREADS && (options.expectedProbes ?? 0) >= PROBES_FOR_THREADS) {
          return await openSharded(options, async (each) => new WorkerMachine(name, capabilities, each));
        }
        return new UnicornMachine(
          name,
          capabilities,
          (image) => kind.createGuest(library, image),
          createLiveGuest && ((image) => createLiveGuest(library, image)),
        );
      } catch (cause) {
        if (cause instanceof UnicornAbsentError) {
          throw new MachineError(name, 'absent', cause.message, { cause });
        }
        throw cause;
      }
    },
  };
}

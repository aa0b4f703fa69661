import type { Architecture } from '../../../src/registers.ts';
import { type Capabilities, type GuestImage, MachineError, type MachineProvider } from '../../machine.ts';
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

/** A provider of machines in this process. */
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

    async open() {
      try {
        const library = await findLibunicorn();
        return new UnicornMachine(
          name,
          kind.capabilities(library.version),
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

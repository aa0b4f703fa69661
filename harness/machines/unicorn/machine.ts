import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { LiveGuest } from '../../live-guest.ts';
import {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type Observations,
  type ProbeList,
} from '../../machine.ts';
import type { UnicornGuest } from './guest.ts';
import { probeGuest } from './probing.ts';

/** Puts an image into a processor of its own. @throws RangeError saying why the processor cannot run the image */
export type GuestFactory = (image: GuestImage) => UnicornGuest;

/** As {@link GuestFactory}, for tables that change while the guest runs. */
export type LiveGuestFactory = (image: GuestImage) => {
  readonly guest: UnicornGuest;
  readonly live: LiveGuest;
};

/** A Unicorn in this process: one emulated processor for each image that is loaded. */
export class UnicornMachine implements Machine {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #createGuest: GuestFactory;
  readonly loadLive?: (image: GuestImage) => Promise<LiveGuest>;
  #guest: UnicornGuest | undefined;

  constructor(
    name: string,
    capabilities: Capabilities,
    createGuest: GuestFactory,
    createLiveGuest?: LiveGuestFactory,
  ) {
    this.name = name;
    this.capabilities = capabilities;
    this.#createGuest = createGuest;
    if (createLiveGuest !== undefined) {
      this.loadLive = (image) =>
        this.#install(() => {
          const { guest, live } = createLiveGuest(image);
          this.#guest = guest;
          return live;
        });
    }
  }

  async load(image: GuestImage): Promise<void> {
    await this.#install(() => {
      this.#guest = this.#createGuest(image);
    });
  }

  async #install<Result>(create: () => Result): Promise<Result> {
    await this.close();
    try {
      return create();
    } catch (cause) {
      throw this.#failure(cause, cause instanceof RangeError ? 'unfit' : 'failed');
    }
  }

  async probe(probes: ProbeList): Promise<Observations> {
    const guest = this.#current();
    try {
      return probeGuest(guest, probes);
    } catch (cause) {
      await this.close();
      throw this.#failure(cause, 'failed');
    }
  }

  async readBack(): Promise<PhysicalMemory> {
    return this.#current().readBack();
  }

  async close(): Promise<void> {
    this.#guest?.close();
    this.#guest = undefined;
  }

  #current(): UnicornGuest {
    if (this.#guest === undefined) throw new MachineError(this.name, 'failed', 'no image is loaded');
    return this.#guest;
  }

  #failure(cause: unknown, code: 'unfit' | 'failed'): unknown {
    if (!(cause instanceof Error) || cause instanceof MachineError) return cause;
    return new MachineError(this.name, code, cause.message, { cause });
  }
}

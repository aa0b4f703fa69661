import type { ListedLeaves } from '../harness/listed-leaves.ts';
import type { LiveGuest } from '../harness/live-guest.ts';
import {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type MachineOptions,
  type MachineProvider,
  type Observations,
  type ProbeList,
} from '../harness/machine.ts';
import { ImageShadow } from '../harness/machines/image-shadow.ts';
import { openSharded } from '../harness/machines/sharded-machine.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { Known } from '../src/outcome-list.ts';
import type { X64Registers } from '../src/registers.ts';
import { qemuVersion } from './qemu-version.ts';
import { X64Batch } from './x64-batch.ts';
import { BATCH_LIMIT, QUEUE_LIMIT } from './x64-batch-queue.ts';
import { X64Frames } from './x64-frames.ts';
import { X64Guest, type X64GuestOptions } from './x64-guest.ts';
import { planInstallation, type X64Installation } from './x64-installation.ts';
import { parseLeafListing } from './x64-leaf-listing.ts';
import { X64LiveGuest } from './x64-live-guest.ts';
import { X64Probing } from './x64-probing.ts';

const NAME = 'qemu-x64';
const EXECUTABLE = 'qemu-system-x86_64';
const DEFAULT_TIME_LIMIT = 60_000;
/** With so many probes to come, the host's own work on them matters more than a quick answer. */
const MANY_PROBES = 100_000;
const ACCESSED = 0x20;
const CR4_LA57 = 1n << 12n;

/** QEMU's software MMU (TCG) for x64, on a board without devices. */
export const qemuX64: MachineProvider = {
  name: NAME,
  architecture: 'x64',

  async detect() {
    const qemu = await qemuVersion(EXECUTABLE, 'qemu-system-x86');
    return qemu.found
      ? { available: true, capabilities: capabilitiesOf(qemu.version) }
      : { available: false, reason: qemu.reason };
  },

  async open(options: MachineOptions = {}) {
    const detected = await this.detect();
    if (!detected.available) throw new MachineError(NAME, 'absent', detected.reason);
    const { capabilities } = detected;
    return await openSharded(options, async ({ timeLimit = DEFAULT_TIME_LIMIT, expectedProbes = 0 }) => {
      return new QemuX64(capabilities, { timeLimit, givesWay: expectedProbes >= MANY_PROBES });
    });
  },
};

function capabilitiesOf(version: string): Capabilities {
  return {
    architecture: 'x64',
    version,
    observes:
      Known.Completion |
      Known.FaultClass |
      Known.FaultStatus |
      Known.Syndrome |
      Known.FaultAddress |
      Known.PhysicalAddress,
    features: ['LA57', 'NX', 'SMEP', 'SMAP', 'PKU', '1G'],
    limits: [
      'the memory type has no effect that an access could show; PWT, PCD and G of every leaf are compared as QEMU lists them (info tlb), PAT is not listed',
      'an execute access to a page of the tables under test proves permission, not the physical address, and is made only where the page holds something harmless',
      'global pages and PCID are off, and every batch starts without cached translations, unless tables change while it runs',
      'an address that is not canonical gives #GP; #SS, for accesses through the stack segment, is not observed',
    ],
  };
}

/** An image in a guest. */
interface Loaded {
  readonly guest: X64Guest;
  readonly frames: X64Frames;
  readonly batches: readonly X64Batch[];
  readonly image: GuestImage;
}

/** Batches to work with, kept because they are large. */
interface Batches {
  readonly protectionKeys: boolean;
  readonly all: readonly X64Batch[];
}

class QemuX64 implements Machine {
  readonly name = NAME;
  readonly capabilities: Capabilities;
  readonly #options: X64GuestOptions;
  /** Stays up from one image to the next, as long as they suit it. */
  #guest: X64Guest | undefined;
  #batches: Batches | undefined;
  #loaded: Loaded | undefined;

  constructor(capabilities: Capabilities, options: X64GuestOptions) {
    this.capabilities = capabilities;
    this.#options = options;
  }

  async load(image: GuestImage): Promise<void> {
    await this.#install(image, false);
  }

  async loadLive(image: GuestImage): Promise<LiveGuest> {
    const shadow = new ImageShadow(image.memory);
    const { guest, frames } = await this.#install(image, true);
    return new X64LiveGuest(NAME, guest, frames, shadow);
  }

  async #install(image: GuestImage, live: boolean): Promise<Loaded> {
    this.#loaded = undefined;
    const installation = planInstallation(NAME, image, live);
    const guest = await this.#guestWith(image, installation);
    const frames = new X64Frames(guest.ram, image.memory, installation.tableFrames, live);
    this.#loaded = { guest, frames, batches: this.#batchesFor(installation.protectionKeys), image };
    return this.#loaded;
  }

  async #guestWith(image: GuestImage, installation: X64Installation): Promise<X64Guest> {
    try {
      if (this.#guest?.canInstall(installation)) {
        await this.#guest.install(image, installation);
        return this.#guest;
      }
      await this.close();
      this.#guest = new X64Guest(NAME, image, installation, this.#options);
      await this.#guest.ready();
      return this.#guest;
    } catch (cause) {
      await this.close();
      throw cause;
    }
  }

  #batchesFor(protectionKeys: boolean): readonly X64Batch[] {
    if (this.#batches?.protectionKeys !== protectionKeys) {
      const all = Array.from({ length: QUEUE_LIMIT }, () => new X64Batch(BATCH_LIMIT, protectionKeys));
      this.#batches = { protectionKeys, all };
    }
    return this.#batches.all;
  }

  async probe(probes: ProbeList): Promise<Observations> {
    const { guest, frames, batches } = this.#current();
    try {
      return await new X64Probing(NAME, guest, frames, batches, probes).run();
    } catch (cause) {
      await this.close();
      throw cause;
    }
  }

  async listLeaves(): Promise<ListedLeaves> {
    const { guest, image } = this.#current();
    const levels = (image.registers as X64Registers).cr4 & CR4_LA57 ? 5 : 4;
    const hidden = { firstPage: Number(guest.active.base >> 12n), pageCount: 512 ** (levels - 1) };
    return parseLeafListing(NAME, await guest.describeTlb(), hidden);
  }

  async readBack(): Promise<PhysicalMemory> {
    const { guest, frames, image } = this.#current();
    const copy = new PhysicalMemory();
    for (const range of image.memory.ranges) {
      copy.addRange(
        BigInt(range.firstFrame) * BigInt(FRAME_SIZE),
        new ArrayBuffer(range.frameCount * FRAME_SIZE),
      );
    }
    guest.ram.readMemory(copy);
    frames.removeTags(copy);
    const root = copy.frameWords(guest.installation.topLevelFrame) as Uint32Array;
    const accessed = guest.accessedTopLevelEntries();
    for (let slot = 0; slot < accessed.length; slot++) {
      root[2 * slot] = ((root[2 * slot] as number) | ((accessed[slot] as number) & ACCESSED)) >>> 0;
    }
    return copy;
  }

  async close(): Promise<void> {
    const guest = this.#guest;
    this.#guest = undefined;
    this.#loaded = undefined;
    await guest?.close();
  }

  #current() {
    if (this.#loaded === undefined) throw new MachineError(NAME, 'failed', 'no image is loaded');
    return this.#loaded;
  }
}

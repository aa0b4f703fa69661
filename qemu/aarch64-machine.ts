import { StubResultError } from '../guest-stubs/aarch64/decode-results.ts';
import { readImage } from '../guest-stubs/aarch64/read-image.ts';
import { freeRegions, overlapsRegion } from '../guest-stubs/aarch64/regions.ts';
import { planStub, type StubPlan } from '../guest-stubs/aarch64/stub-plan.ts';
import { REGION_BYTES } from '../guest-stubs/aarch64/stub-protocol.ts';
import type { LiveGuest } from '../harness/live-guest.ts';
import type {
  Capabilities,
  GuestImage,
  Machine,
  MachineOptions,
  Observations,
  ProbeList,
} from '../harness/machine.ts';
import { MachineError } from '../harness/machine.ts';
import { ImageShadow } from '../harness/machines/image-shadow.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../src/registers.ts';
import { AArch64Guest } from './aarch64-guest.ts';
import { troubleAtLevelMinus1 } from './aarch64-level-minus-1.ts';
import { AArch64LiveGuest } from './aarch64-live-guest.ts';
import { type Extent, type LoadedImage, probeGuest } from './aarch64-probing.ts';
import { DEFAULT_CPU, isModelName, lackingFeatures, UNKNOWN_MODEL } from './aarch64-processor.ts';
import { DataTags } from './aarch64-tags.ts';
import { endOfMemory, RAM_GRANULE } from './guest-ram.ts';

const DEFAULT_TIME_LIMIT = 60_000;
/** Storage that a guest takes beside its image: stub regions and tagged slots. */
const OWN_USE = 0x400_0000;
/** QEMU's own needs grow with RAM, used or not: 1 TiB takes 0.4 s to start, 8 TiB 8 s. */
const MAX_RAM = 4 * 2 ** 40;
/** Images up to this size are exchanged in the running guest; for larger ones a new guest is faster than wiping. */
const MAX_EXCHANGED = 0x80_0000;

/** A QEMU AArch64 machine: one process for as many images as it fits. */
export class AArch64Machine implements Machine {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #timeLimit: number;
  #guest: AArch64Guest | undefined;
  #loaded: LoadedImage | undefined;
  #live: AArch64LiveGuest | undefined;

  constructor(name: string, capabilities: Capabilities, options: MachineOptions) {
    this.name = name;
    this.capabilities = capabilities;
    this.#timeLimit = options.timeLimit ?? DEFAULT_TIME_LIMIT;
  }

  async load(image: GuestImage): Promise<void> {
    await this.#install(image);
  }

  async loadLive(image: GuestImage): Promise<LiveGuest> {
    const shadow = new ImageShadow(image.memory);
    const live = new AArch64LiveGuest(this.name, await this.#install(image), shadow);
    this.#live = live;
    return live;
  }

  async #install({ registers, memory }: GuestImage): Promise<LoadedImage> {
    if (registers.architecture !== 'aarch64') throw this.#unfit(`the image is for ${registers.architecture}`);
    const plan = this.#planStub(registers, memory);
    await this.#endLive();
    const before = this.#loaded;
    this.#loaded = undefined;
    const guest =
      before !== undefined && canExchange(before, registers, memory)
        ? await this.#exchange(before, memory)
        : await this.#start(registers, memory);
    const lacking = lackingFeatures(registers, guest.memoryFeatures);
    if (lacking.length > 0) throw this.#unfit(`CPU model ${guest.cpu} ${lacking.join(' and ')}`);
    const regions = regionsBeside(memory, guest.region);
    if (Math.max(...regions) >= plan.regionLimit) {
      throw this.#unfit(`there is no room for the stub below ${hex(plan.regionLimit)}, where EL3 can map it`);
    }
    guest.ram.writeMemory(memory);
    const loaded: LoadedImage = {
      guest,
      tags: new DataTags(guest.ram),
      registers,
      shape: memory.ranges.map(({ firstFrame, frameCount }) => ({ firstFrame, frameCount })),
      plan,
      regions,
    };
    this.#loaded = loaded;
    return loaded;
  }

  async probe(probes: ProbeList): Promise<Observations> {
    const loaded = this.#requireLoaded();
    try {
      return await (this.#live?.probe(probes) ?? probeGuest(loaded, probes));
    } catch (cause) {
      await this.close();
      if (cause instanceof StubResultError) {
        throw new MachineError(this.name, 'failed', cause.message, { cause });
      }
      throw cause;
    }
  }

  async readBack(): Promise<PhysicalMemory> {
    const { guest, shape } = this.#requireLoaded();
    const memory = new PhysicalMemory();
    for (const { firstFrame, frameCount } of shape) {
      memory.addRange(firstFrame * FRAME_SIZE, new ArrayBuffer(frameCount * FRAME_SIZE));
    }
    guest.ram.readMemory(memory);
    return memory;
  }

  async close(): Promise<void> {
    const guest = this.#guest;
    this.#guest = undefined;
    this.#loaded = undefined;
    this.#live = undefined;
    await guest?.close();
  }

  /** Gets a guest of live tables ready for other images; one that is broken is given up. */
  async #endLive(): Promise<void> {
    if (this.#live === undefined) return;
    this.#live = undefined;
    try {
      await this.#loaded?.guest.endLive();
    } catch {
      await this.close();
    }
  }

  #planStub(registers: AArch64Registers, memory: PhysicalMemory): StubPlan {
    try {
      const read = (address: number, bytes: Uint8Array) => readImage(memory, address, bytes);
      const plan = planStub(registers, read, undefined, memory);
      const trouble = troubleAtLevelMinus1(registers, memory);
      if (trouble !== undefined) throw this.#unfit(`${trouble}: QEMU would end itself`);
      return plan;
    } catch (cause) {
      if (cause instanceof RangeError) throw this.#unfit(cause.message, cause);
      throw cause;
    }
  }

  async #start(registers: AArch64Registers, memory: PhysicalMemory): Promise<AArch64Guest> {
    await this.close();
    const cpu = registers.cpu ?? DEFAULT_CPU;
    if (!isModelName(cpu)) throw this.#unfit(`'${cpu}' is not the name of a CPU model`);
    const [region, second] = freeRegions(memory, 2) as [number, number];
    const end = Math.max(endOfMemory(memory), second + REGION_BYTES);
    if (end > MAX_RAM) throw this.#unfit(`the image ends at ${hex(end)}, above ${hex(MAX_RAM)}`);
    const guest = new AArch64Guest({
      machine: this.name,
      cpu,
      ramSize: Math.ceil(end / RAM_GRANULE) * RAM_GRANULE,
      expectedUse: bytesOf(memory.ranges) + OWN_USE,
      region,
      timeLimit: this.#timeLimit,
    });
    this.#guest = guest;
    try {
      await guest.whenUp();
    } catch (cause) {
      await this.close();
      const unknownModel = cause instanceof MachineError ? UNKNOWN_MODEL.exec(cause.message) : null;
      throw unknownModel === null ? cause : this.#unfit(`QEMU is ${unknownModel[0]}`, cause);
    }
    return guest;
  }

  /** Makes room for an image where another one is, in the running guest. */
  async #exchange({ guest, shape }: LoadedImage, memory: PhysicalMemory): Promise<AArch64Guest> {
    for (const extent of shape) wipe(guest, extent);
    const isInTheWay = memory.ranges.some((range) => overlapsRegion(range, guest.region));
    if (isInTheWay) await guest.moveTo(freeRegions(memory, 1)[0] as number);
    for (const extent of memory.ranges) wipe(guest, extent);
    return guest;
  }

  #requireLoaded(): LoadedImage {
    if (this.#loaded === undefined) throw new MachineError(this.name, 'failed', 'no image is loaded');
    return this.#loaded;
  }

  #unfit(message: string, cause?: unknown): MachineError {
    return new MachineError(this.name, 'unfit', message, { cause });
  }
}

function canExchange(
  { guest, shape }: LoadedImage,
  registers: AArch64Registers,
  memory: PhysicalMemory,
): boolean {
  const needed = Math.max(endOfMemory(memory), (freeRegions(memory, 2)[1] as number) + REGION_BYTES);
  return (
    guest.cpu === (registers.cpu ?? DEFAULT_CPU) &&
    guest.ram.size >= needed &&
    bytesOf(shape) + bytesOf(memory.ranges) <= MAX_EXCHANGED
  );
}

/** The stub's region and another one that is free of the image. */
function regionsBeside(memory: PhysicalMemory, region: number): readonly [number, number] {
  const other = freeRegions(memory, 2).find((place) => place !== region) as number;
  return [region, other];
}

function wipe({ ram }: AArch64Guest, { firstFrame, frameCount }: Extent): void {
  ram.write(firstFrame * FRAME_SIZE, new Uint8Array(frameCount * FRAME_SIZE));
}

function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { frameCount }) => sum + frameCount * FRAME_SIZE, 0);
}

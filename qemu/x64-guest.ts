import {
  CONTROL_OFFSET,
  Control,
  ExitMode,
  PROTOCOL_MAGIC,
  RESULT_RECORD_BYTES,
  Result,
  STUB_REGION_BYTES,
  VECTOR_UNWRITTEN,
} from '../guest-stubs/protocol.ts';
import { X64Command, X64Register } from '../guest-stubs/x64/control.ts';
import { rootOf } from '../guest-stubs/x64/graft.ts';
import type { Placement } from '../guest-stubs/x64/placement.ts';
import { NO_MARKERS, registerOffset, stubBytes } from '../guest-stubs/x64/stub-bytes.ts';
import { Symbols } from '../guest-stubs/x64/symbols.ts';
import { type GuestImage, MachineError } from '../harness/machine.ts';
import { ACCESS_RECORD_BYTES, ACCESS_RECORD_WORDS } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { AccessLog } from './access-log.ts';
import { GuestClock } from './guest-clock.ts';
import { GuestRam, sizeOfMemory } from './guest-ram.ts';
import { QemuProcess } from './qemu-process.ts';
import { BATCH_LIMIT, type CompletedBatch, X64BatchQueue } from './x64-batch-queue.ts';
import type { X64Installation } from './x64-installation.ts';

/** From where the processor starts to the loader device's address: CS base is 0xffff0000 after reset. */
const RESET_CS_OFFSET = 0x1_0000;

/** Result records that nobody has written. */
const UNWRITTEN_RESULTS = unwrittenResults();

/** Where the stub's identity map ends, and so what it can wipe. */
const IDENTITY_LIMIT = 2 ** 32;

/** How a guest runs. */
export interface X64GuestOptions {
  /** Milliseconds for a start or a batch. */
  readonly timeLimit: number;
  /** See QemuCommand. */
  readonly givesWay: boolean;
}

/** One QEMU with the stub in it, under the tables of one image. */
export class X64Guest {
  readonly ram: GuestRam;
  readonly log: AccessLog;
  readonly clock = new GuestClock();
  readonly #machine: string;
  readonly #timeLimit: number;
  readonly #process: QemuProcess;
  readonly #results = new Uint8Array(BATCH_LIMIT * RESULT_RECORD_BYTES);
  /** Top-level entries that the processor used through a placement that has been left: their A bits. */
  readonly #accessed = new Uint8Array(512);
  /** Frames of images that probes have executed: QEMU remembers the code of what was there. */
  readonly #executed = new Set<number>();
  #installation: X64Installation;
  #retired = false;
  #active: Placement;
  #queue: X64BatchQueue;
  /** MARKER_MASK as the stub has it. */
  #markerMask = NO_MARKERS;

  /** Starts QEMU with the stub at placement 0; {@link ready} waits for it. @throws MachineError 'failed' */
  constructor(
    machine: string,
    image: GuestImage,
    installation: X64Installation,
    { timeLimit, givesWay }: X64GuestOptions,
  ) {
    this.#machine = machine;
    this.#timeLimit = timeLimit;
    this.#installation = installation;
    this.#active = installation.placements[0] as Placement;
    this.ram = new GuestRam(
      machine,
      installation.ramSize,
      sizeOfMemory(image.memory) + 2 * STUB_REGION_BYTES,
    );
    this.log = new AccessLog(machine);
    this.#queue = new X64BatchQueue(this.ram, this.#active.region);
    try {
      this.ram.writeMemory(image.memory);
      this.#writeStub(this.#active);
      this.#process = new QemuProcess({
        machine,
        executable: 'qemu-system-x86_64',
        cpu: `max,apic-id=0,apic=off,host-phys-bits=off,phys-bits=${installation.physicalAddressBits}`,
        ram: this.ram,
        start: RESET_CS_OFFSET + this.active.region + Symbols.reset,
        monitor: true,
        givesWay,
        descriptors: [this.log.descriptor],
        extra: ['-d', 'guest_errors', '-D', '/dev/fd/4'],
      });
    } catch (cause) {
      this.ram.close();
      this.log.close();
      throw cause;
    }
  }

  get installation(): X64Installation {
    return this.#installation;
  }

  /** The placement that the stub runs in. */
  get active(): Placement {
    return this.#active;
  }

  /** Whether a frame belongs to the stub that runs. */
  isStubFrame(frame: number): boolean {
    const first = this.active.region / FRAME_SIZE;
    return frame >= first && frame < first + STUB_REGION_BYTES / FRAME_SIZE;
  }

  /** Waits until the stub is up. @throws MachineError 'failed' */
  async ready(): Promise<void> {
    const { t1 } = await this.#awaitStub('the guest was up');
    this.clock.start(t1);
  }

  /**
   * Whether another image can be installed: the processor and the size of its memory stay as they are. Live tables
   * are for a fresh processor, because QEMU makes the TLB of one that has had little to do smaller: less stays stale.
   */
  canInstall(next: X64Installation): boolean {
    const now = this.installation;
    return (
      !this.#retired &&
      !this.#process.hasEnded &&
      !next.live &&
      next.physicalAddressBits === now.physicalAddressBits &&
      next.ramSize === now.ramSize &&
      next.levels === now.levels &&
      this.ram.canClear
    );
  }

  /** A probe will execute what the image has in this frame. */
  noteExecution(frame: number): void {
    this.#executed.add(frame);
    if (frame * FRAME_SIZE >= IDENTITY_LIMIT) this.retire();
  }

  /** Something unknown was executed, of which QEMU may remember the code: no other image is to be installed. */
  retire(): void {
    this.#retired = true;
  }

  /**
   * Puts another image in the place of the one that is installed, of which nothing is left: not in memory, not in
   * registers, not in the TLB. {@link canInstall} must hold.
   * @throws MachineError 'failed'
   */
  async install(image: GuestImage, next: X64Installation): Promise<void> {
    await this.#wipeExecuted();
    this.log.skip();
    this.clock.takeSeconds();
    this.#accessed.fill(0);
    this.#installation = next;
    // A region can overlap two others at most, and there are three.
    const { region: left } = this.active;
    const other = next.placements.find(({ region }) => !overlap(region, left)) as Placement;
    await this.#goTo(other, BigInt(other.region + Symbols.install));
    this.ram.clear(other.region, STUB_REGION_BYTES);
    this.ram.writeMemory(image.memory);
  }

  /** Runs on in another placement. The region of the one that is left becomes ordinary memory. */
  async moveTo(placement: Placement): Promise<void> {
    this.#collectAccessed();
    await this.#goTo(placement, placement.base + BigInt(Symbols.entry));
  }

  /** Has the stub go on in another placement. @param entry an address there that the bridge tables in force map */
  async #goTo(placement: Placement, entry: bigint): Promise<void> {
    const left = this.#active;
    const queue = this.#queue;
    this.#writeStub(placement);
    this.ram.writeU64(left.region + registerOffset(X64Register.Entry), entry);
    queue.post(queue.next(0), X64Command.Switch);
    await this.#awaitStub('the stub had moved');
  }

  /**
   * Starts up to {@link BATCH_LIMIT} probes, when the guest has made those that were started before, and returns;
   * {@link finish} waits for it.
   * @param records the probe records
   * @param groupSize probes between two markers, a power of two; 0 for no markers; the same for all that are queued
   */
  start(records: Uint8Array, groupSize: number): void {
    const batch = this.#queue.next(records.length / ACCESS_RECORD_BYTES);
    this.ram.write(batch.probes, records);
    this.ram.write(batch.results, UNWRITTEN_RESULTS.subarray(0, batch.count * RESULT_RECORD_BYTES));
    const mask = groupSize === 0 ? NO_MARKERS : BigInt(groupSize * ACCESS_RECORD_BYTES - 1);
    if (mask !== this.#markerMask) {
      this.ram.writeU64(this.active.region + registerOffset(X64Register.MarkerMask), mask);
      this.#markerMask = mask;
    }
    this.#queue.post(batch, this.installation.live ? X64Command.ProbeKeepTlb : X64Command.Probe);
    this.#process.resume();
  }

  /**
   * Waits until the probes of the first batch that is queued are made.
   * @returns the words of their result records; valid until the next call
   * @throws MachineError 'failed' if the guest ends, hangs or leaves a record out
   */
  async finish(): Promise<Uint32Array> {
    const batch = await this.#awaitBatch();
    this.clock.add(batch.t0, batch.t1);
    const results = this.#results.subarray(0, batch.count * RESULT_RECORD_BYTES);
    this.ram.read(batch.results, results);
    return new Uint32Array(results.buffer, 0, results.length / 4);
  }

  /** The next batch will not come soon: the guest leaves the processor to others instead of waiting for the doorbell. */
  rest(): void {
    this.#process.pause();
  }

  /** Writes an entry of the image's memory, and of the top-level table's copy, while the guest rests. */
  writeEntry(address: number, low: number, high: number): void {
    const value = (BigInt(high) << 32n) | BigInt(low);
    this.ram.writeU64(address, value);
    const inTopLevel = address - this.installation.topLevelFrame * FRAME_SIZE;
    const isTopLevel = inTopLevel >= 0 && inTopLevel < FRAME_SIZE;
    if (isTopLevel && inTopLevel / 8 !== this.active.slot) {
      this.ram.writeU64(rootOf(this.active) + inTopLevel, value);
    }
  }

  /** Has the guest carry out TLB operations. @param records at most {@link BATCH_LIMIT} of them */
  async invalidate(records: Uint8Array): Promise<void> {
    await this.#operate(records, X64Command.Invalidate);
  }

  /** What QEMU's monitor prints for "info tlb": the leaves of the tables in force, the stub's among them. */
  async describeTlb(): Promise<string> {
    return await this.#process.humanCommand('info tlb', this.#timeLimit);
  }

  /** The accessed bits that the processor set in copies of the top-level table, by entry. */
  accessedTopLevelEntries(): Uint8Array {
    this.#collectAccessed();
    return this.#accessed;
  }

  /** Ends QEMU and gives its files back. Safe to call more than once. */
  async close(): Promise<void> {
    await this.#process.stop();
    this.ram.close();
    this.log.close();
  }

  /** Has the guest overwrite what probes have executed: QEMU then forgets its translation of the code. */
  async #wipeExecuted(): Promise<void> {
    const frames = [...this.#executed];
    this.#executed.clear();
    for (let at = 0; at < frames.length; at += BATCH_LIMIT) {
      const part = frames.slice(at, at + BATCH_LIMIT);
      const records = new Uint32Array(part.length * ACCESS_RECORD_WORDS);
      part.forEach((frame, index) => {
        records[index * ACCESS_RECORD_WORDS] = frame * FRAME_SIZE;
      });
      await this.#operate(new Uint8Array(records.buffer), X64Command.Wipe);
    }
  }

  /** Has the guest carry out what stands in the probe window. */
  async #operate(records: Uint8Array, command: number): Promise<CompletedBatch> {
    const batch = this.#queue.next(records.length / ACCESS_RECORD_BYTES);
    this.ram.write(batch.probes, records);
    this.#queue.post(batch, command);
    return await this.#awaitBatch();
  }

  async #awaitBatch(): Promise<CompletedBatch> {
    const queue = this.#queue;
    await this.#process.waitUntil(
      () => queue.isComplete(),
      this.#timeLimit,
      `the guest had made ${queue.first?.count} probes`,
    );
    const batch = queue.take();
    if (batch.done !== batch.count) {
      throw new MachineError(
        this.#machine,
        'failed',
        `the guest made ${batch.done} of ${batch.count} probes`,
      );
    }
    return batch;
  }

  /** Waits until the stub is up and has made an empty batch: so it runs under the tables under test. */
  async #awaitStub(what: string): Promise<CompletedBatch> {
    const magic = this.active.region + CONTROL_OFFSET + Control.Magic;
    await this.#process.waitUntil(() => this.ram.readU32(magic) === PROTOCOL_MAGIC, this.#timeLimit, what);
    return await this.#operate(new Uint8Array(0), X64Command.Probe);
  }

  /** Puts a fresh stub into the region of a placement and makes it the active one. */
  #writeStub(placement: Placement): void {
    const { installation } = this;
    this.#active = placement;
    this.#queue = new X64BatchQueue(this.ram, placement.region);
    this.#markerMask = NO_MARKERS;
    const bytes = stubBytes(placement, installation, ExitMode.Doorbell, installation.markerFrame);
    this.ram.write(placement.region, bytes);
  }

  #collectAccessed(): void {
    const entries = new Uint8Array(FRAME_SIZE);
    this.ram.read(rootOf(this.active), entries);
    for (let slot = 0; slot < 512; slot++) {
      if (slot !== this.active.slot) (this.#accessed[slot] as number) |= (entries[8 * slot] as number) & 0x20;
    }
  }
}

function overlap(region: number, other: number): boolean {
  return Math.abs(region - other) < STUB_REGION_BYTES;
}

function unwrittenResults(): Uint8Array {
  const view = new DataView(new ArrayBuffer(BATCH_LIMIT * RESULT_RECORD_BYTES));
  for (let at = 0; at < view.byteLength; at += RESULT_RECORD_BYTES) {
    view.setUint16(at + Result.Vector, VECTOR_UNWRITTEN, true);
  }
  return new Uint8Array(view.buffer);
}

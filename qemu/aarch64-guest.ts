import { BLOB } from '../guest-stubs/aarch64/blob.ts';
import { PHYSICAL_ADDRESS_BITS } from '../guest-stubs/aarch64/control-registers.ts';
import type { Installation } from '../guest-stubs/aarch64/stub-plan.ts';
import {
  AArch64Control,
  CONTROL_BYTES,
  Command,
  PROBE_WINDOW_OFFSET,
  REGISTER_COUNT,
  RESULT_WINDOW_OFFSET,
  Register,
} from '../guest-stubs/aarch64/stub-protocol.ts';
import {
  CONTROL_OFFSET,
  Control,
  PROTOCOL_MAGIC,
  RESULT_RECORD_BYTES,
  RESULT_RECORD_WORDS,
  Result,
  VECTOR_UNWRITTEN,
} from '../guest-stubs/protocol.ts';
import { MachineError } from '../harness/machine.ts';
import { ACCESS_RECORD_BYTES, type AccessList } from '../src/access-list.ts';
import { hex } from '../src/addresses.ts';
import { GuestRam } from './guest-ram.ts';
import { QemuProcess } from './qemu-process.ts';

/** What a guest is started with. */
export interface GuestSetup {
  readonly machine: string;
  /** QEMU's name of the CPU model. */
  readonly cpu: string;
  /** Bytes. */
  readonly ramSize: number;
  /** Bytes that will really be written. */
  readonly expectedUse: number;
  /** Physical address of the stub's first region. */
  readonly region: number;
  /** Milliseconds for the start and for each batch. */
  readonly timeLimit: number;
}

/** Results of one batch. */
export interface BatchResults {
  /** The result records; valid until the batch after the next ends. */
  readonly words: Uint32Array;
  /** By the guest's own clock. */
  readonly seconds: number;
}

/** How a batch begins and ends: see COMMAND in PROTOCOL.md. */
export interface BatchOptions {
  /** Whether what is installed and what the TLBs hold stays. */
  readonly keepsTlb?: boolean;
  /** Whether batches follow that keep it. */
  readonly live?: boolean;
}

/** A running QEMU whose stub waits for batches (PROTOCOL.md, AArch64). */
export class AArch64Guest {
  readonly ram: GuestRam;
  readonly cpu: string;
  readonly #machine: string;
  readonly #process: QemuProcess;
  readonly #timeLimit: number;
  #region: number;
  #doorbell = 0;
  /** Result records that no probe has written. */
  #unwritten = new Uint32Array(0);
  /** The results of the last two batches, by turns: one is read while the other is made. */
  #results: [Uint32Array, Uint32Array] = [new Uint32Array(0), new Uint32Array(0)];

  /** Starts QEMU; the guest is up when {@link whenUp} resolves. */
  constructor(setup: GuestSetup) {
    this.cpu = setup.cpu;
    this.#machine = setup.machine;
    this.#timeLimit = setup.timeLimit;
    this.#region = setup.region;
    this.ram = new GuestRam(setup.machine, setup.ramSize, setup.expectedUse);
    this.ram.write(setup.region, BLOB);
    this.#process = new QemuProcess({
      machine: setup.machine,
      executable: QEMU_EXECUTABLE,
      cpu: setup.cpu,
      ram: this.ram,
      start: setup.region,
    });
  }

  /** Physical address of the region that the stub lives in. */
  get region(): number {
    return this.#region;
  }

  /** ID_AA64MMFR0_EL1 of the processor. */
  get memoryFeatures(): bigint {
    return this.ram.readU64(this.#control + AArch64Control.MemoryFeatures);
  }

  /** Bits of its physical addresses. */
  get physicalAddressBits(): number {
    return PHYSICAL_ADDRESS_BITS[Number(this.memoryFeatures & 0xfn)] ?? 0;
  }

  async whenUp(): Promise<void> {
    const isUp = () => this.ram.readU32(this.#control + Control.Magic) === PROTOCOL_MAGIC;
    await this.#process.waitUntil(isUp, this.#timeLimit, 'the guest was up');
  }

  /** Moves the stub to another region. What it leaves behind is ordinary memory. */
  async moveTo(region: number): Promise<void> {
    if (region === this.#region) return;
    const left = this.#control;
    const doorbell = this.#nextDoorbell();
    const block = new Uint32Array(CONTROL_BYTES / 4);
    block[Control.Doorbell / 4] = doorbell;
    this.ram.write(region + CONTROL_OFFSET, new Uint8Array(block.buffer));
    this.ram.writeU64(left + Control.Registers + 8 * Register.Stub, BigInt(region));
    this.ram.writeU32(left + Control.Command, Command.Move);
    this.ram.writeU32(left + Control.Doorbell, doorbell);
    this.#region = region;
    await this.#acknowledged(doorbell, 'the stub had moved');
  }

  /** Puts an installation's tables into the stub's region. */
  install(installation: Installation): void {
    this.ram.write(this.#region + installation.tablesOffset, installation.tables);
  }

  /**
   * Runs probes under an installation whose tables are in place. With `keepsTlb` it must be the one of the last batch.
   * When it returns its promise, the guest is at work.
   * @throws MachineError 'failed' if the guest breaks or runs out of time, with the access that it was at
   */
  async run(
    { registers, stubAddress, bridge }: Installation,
    accesses: AccessList,
    { keepsTlb = false, live = false }: BatchOptions = {},
  ): Promise<BatchResults> {
    const count = accesses.length;
    const block = new BigUint64Array(REGISTER_COUNT);
    block[Register.Level] = BigInt(registers.exceptionLevel);
    block[Register.Stub] = stubAddress;
    block[Register.Sctlr] = registers.sctlr;
    block[Register.Ttbr0] = registers.ttbr0;
    block[Register.Ttbr1] = registers.ttbr1;
    block[Register.Tcr] = registers.tcr;
    block[Register.Mair] = registers.mair;
    block[Register.HcrEl2] = registers.hcrEl2;
    block[Register.MemoryEnd] = BigInt(this.ram.size);
    block[Register.ScrEl3] = registers.scrEl3 ?? 0n;
    block[Register.Bridge] = bridge;
    block[Register.Vtcr] = registers.vtcr ?? 0n;
    block[Register.Vttbr] = registers.vttbr ?? 0n;
    block[Register.Live] = live ? 1n : 0n;
    this.ram.write(this.#control + Control.Registers, new Uint8Array(block.buffer));
    const { words } = accesses;
    const records = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this.#clearResults(count);
    await this.#command(keepsTlb ? Command.ProbeKeepTlb : Command.Run, records, {
      what: `a batch of ${count} probes was done`,
      count,
      position: () => this.#position(accesses),
      isNear: () => this.ram.readU32(this.#control + Control.Done) + NEAR_END >= count,
    });
    return { words: this.#readResults(count), seconds: this.#seconds() };
  }

  /**
   * Lets the monitor carry out operations.
   * @param records at most MAX_BATCH records of operations
   */
  async operate(records: Uint8Array): Promise<void> {
    const count = records.length / ACCESS_RECORD_BYTES;
    const done = () => this.ram.readU32(this.#control + Control.Done);
    await this.#command(Command.Operate, records, {
      what: `${count} TLB operations were carried out`,
      count,
      position: () => `it had carried out ${done()} of ${count} operations`,
    });
  }

  /** After the last command of live tables: the guest no longer needs them. */
  async endLive(): Promise<void> {
    const what = 'live tables were left';
    await this.#command(Command.EndLive, new Uint8Array(0), { what, count: 0, position: () => what });
  }

  /** Ends QEMU and gives its memory back. Safe to call more than once. */
  async close(): Promise<void> {
    await this.#process.stop();
    this.ram.close();
  }

  get #control(): number {
    return this.#region + CONTROL_OFFSET;
  }

  #nextDoorbell(): number {
    this.#doorbell = (this.#doorbell + 1) >>> 0;
    return this.#doorbell;
  }

  /** Marks the result records as not written. */
  #clearResults(count: number): void {
    if (this.#unwritten.length < count * RESULT_RECORD_WORDS) {
      this.#unwritten = new Uint32Array(count * RESULT_RECORD_WORDS);
      for (let at = Result.Vector / 4; at < this.#unwritten.length; at += RESULT_RECORD_WORDS) {
        this.#unwritten[at] = VECTOR_UNWRITTEN;
      }
    }
    const bytes = new Uint8Array(this.#unwritten.buffer, 0, count * RESULT_RECORD_BYTES);
    this.ram.write(this.#region + RESULT_WINDOW_OFFSET, bytes);
  }

  #readResults(count: number): Uint32Array {
    const [before, last] = this.#results;
    const words =
      before.length < count * RESULT_RECORD_WORDS ? new Uint32Array(count * RESULT_RECORD_WORDS) : before;
    this.#results = [last, words];
    this.ram.read(
      this.#region + RESULT_WINDOW_OFFSET,
      new Uint8Array(words.buffer, 0, count * RESULT_RECORD_BYTES),
    );
    return words;
  }

  /** Has a command with records carried out to the end. */
  async #command(command: number, records: Uint8Array, work: Work): Promise<void> {
    const doorbell = this.#nextDoorbell();
    this.ram.writeU32(this.#control + Control.Command, command);
    this.ram.writeU32(this.#control + Control.Count, work.count);
    this.ram.writeU32(this.#control + Control.Done, 0);
    this.ram.writeU64(this.#control + Control.Probes, BigInt(PROBE_WINDOW_OFFSET));
    this.ram.writeU64(this.#control + Control.Results, BigInt(RESULT_WINDOW_OFFSET));
    this.ram.write(this.#region + PROBE_WINDOW_OFFSET, records);
    this.ram.writeU32(this.#control + Control.Doorbell, doorbell);
    await this.#acknowledged(doorbell, work.what, work.position, work.isNear);
    this.#checkEnd(work);
  }

  async #acknowledged(
    doorbell: number,
    what: string,
    position?: () => string,
    isNear?: () => boolean,
  ): Promise<void> {
    const isDone = () => this.ram.readU32(this.#control + Control.Ack) === doorbell;
    try {
      await this.#process.waitUntil(isDone, this.#timeLimit, what, isNear);
    } catch (cause) {
      if (!(cause instanceof MachineError) || position === undefined) throw cause;
      const prefix = `${this.#machine}: `;
      const message = cause.message.startsWith(prefix) ? cause.message.slice(prefix.length) : cause.message;
      throw new MachineError(this.#machine, cause.code, `${message}; ${position()}`, { cause });
    }
  }

  #checkEnd({ count, position }: Work): void {
    const syndrome = this.ram.readU64(this.#control + AArch64Control.FailureSyndrome);
    const done = this.ram.readU32(this.#control + Control.Done);
    if (syndrome === 0n && done === count) return;
    const instruction = this.ram.readU64(this.#control + AArch64Control.FailureInstruction);
    const address = this.ram.readU64(this.#control + AArch64Control.FailureAddress);
    throw new MachineError(
      this.#machine,
      'failed',
      `the stub broke: ESR_EL3 ${hex(syndrome)}, ELR_EL3 ${hex(instruction)}, FAR_EL3 ${hex(address)}; ${position()}`,
    );
  }

  #position(accesses: AccessList): string {
    const done = this.ram.readU32(this.#control + Control.Done);
    const where = done < accesses.length ? `, at ${hex(accesses.address(done))}` : '';
    return `it had done ${done} of ${accesses.length} probes${where}`;
  }

  #seconds(): number {
    const frequency = Number(this.ram.readU64(this.#control + Control.ClockHz));
    const ticks = this.ram.readU64(this.#control + Control.T1) - this.ram.readU64(this.#control + Control.T0);
    return frequency === 0 ? Number.NaN : Number(ticks) / frequency;
  }
}

/** What a command is to do. */
interface Work {
  /** Ends "… took more than 60 s before". */
  readonly what: string;
  readonly count: number;
  /** How far it is, in words. */
  readonly position: () => string;
  /** Whether it will be done within a few milliseconds. */
  readonly isNear?: () => boolean;
}

/** Probes that are left when the end of a batch is near: more than the guest makes in one sleep of a wait. */
const NEAR_END = 2048;

export const QEMU_EXECUTABLE = 'qemu-system-aarch64';

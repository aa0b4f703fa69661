import koffi from 'koffi';
import { hex } from '../../../src/addresses.ts';
import {
  bindUnicorn,
  CallbackType,
  Control,
  HookType,
  type InterruptCallback,
  type InvalidInstructionCallback,
  type ProtectionCallback,
  type ReadCallback,
  UnicornError,
  type UnicornFunctions,
  type WriteCallback,
} from './binding.ts';
import type { UnicornLibrary } from './library.ts';
import { NativeMemory } from './native-memory.ts';

/** A processor that Unicorn emulates. */
export interface ProcessorModel {
  /** uc_arch, uc_mode and the architecture's uc_cpu_… */
  readonly architecture: number;
  readonly mode: number;
  readonly model: number;
}

/** A call of Unicorn failed. */
export class UnicornCallError extends Error {
  override readonly name = 'UnicornCallError';
}

/** Saved processor state. */
export type ProcessorState = number & { readonly brand: 'ProcessorState' };

type CallbackTypeSpec = ReturnType<typeof koffi.pointer>;

/** Registers that are written together, by one call. */
export interface RegisterGroup {
  /** Values to write, in the order of the registers. */
  readonly values: BigUint64Array;
  write(): void;
}

/**
 * Room for translated code. A fetch that a protection callback stops leaves some 300 bytes behind, and
 * Unicorn breaks when the room runs out in the middle of a run: so it is given back before.
 */
const CODE_BUFFER_BYTES = 128 * 2 ** 20;
/** Stopped fetches before that: with those of one more batch they take half of the room. */
const MAX_STOPS = 150_000;
const SCRATCH_BYTES = 4096;

/** One emulated processor with its memory map. Everything it holds is released by {@link close}. */
export class UnicornEngine {
  readonly #functions: UnicornFunctions;
  readonly #handle: number;
  readonly #scratch = NativeMemory.acquire(SCRATCH_BYTES);
  readonly #scratchWords = wordsOf(this.#scratch.view(0, SCRATCH_BYTES));
  /** Word 0 … 7 of the scratch page are for single registers, the rest for groups. */
  #scratchUsed = 8;
  readonly #callbacks: bigint[] = [];
  readonly #states: ProcessorState[] = [];
  #stops = 0;
  #isClosed = false;

  constructor(library: UnicornLibrary, processor: ProcessorModel) {
    this.#functions = bindUnicorn(library);
    const handle = new BigUint64Array(1);
    const status = this.#functions.open(processor.architecture, processor.mode, handle);
    if (status !== UnicornError.Ok) {
      this.#scratch.release();
      throw this.#failure('uc_open', status);
    }
    this.#handle = Number(handle[0]);
    try {
      this.#control(Control.CpuModel, 'int', processor.model);
      this.#control(Control.CodeBufferBytes, 'uint32_t', CODE_BUFFER_BYTES);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Backs guest physical memory with native memory. Addresses and sizes are multiples of 4096. */
  mapMemory(address: number, size: number, protection: number, native: number): void {
    const status = this.#functions.memMapPtr(this.#handle, address, size, protection, native);
    this.#check(`uc_mem_map_ptr of ${hex(size)} bytes at ${hex(address)}`, status);
  }

  protect(address: number, size: number, protection: number): void {
    const status = this.#functions.memProtect(this.#handle, address, size, protection);
    this.#check(`uc_mem_protect of ${hex(size)} bytes at ${hex(address)}`, status);
  }

  /** Makes a callback that {@link mapMmio} takes. */
  readCallback(callback: ReadCallback): bigint {
    return this.#register(callback, CallbackType.Read);
  }
  writeCallback(callback: WriteCallback): bigint {
    return this.#register(callback, CallbackType.Write);
  }

  /** Guest physical memory whose accesses become calls, with the offset from `address` and with `data`. */
  mapMmio(address: number, size: number, read: bigint, write: bigint, data: number): void {
    const status = this.#functions.mmioMap(this.#handle, address, size, read, data, write, data);
    this.#check(`uc_mmio_map of ${hex(size)} bytes at ${hex(address)}`, status);
  }

  /** Undefined instructions, which are not among the interrupts. */
  onInvalidInstruction(callback: InvalidInstructionCallback): void {
    this.#hook(HookType.InvalidInstruction, this.#register(callback, CallbackType.InvalidInstruction));
  }
  /** Exceptions of the guest: none is delivered to it. */
  onInterrupt(callback: InterruptCallback): void {
    this.#hook(HookType.Interrupt, this.#register(callback, CallbackType.Interrupt));
  }
  /** Reads of memory without Protection.Read, by physical address. The table walker's own are not among them. */
  onProtectedRead(callback: ProtectionCallback): void {
    this.#hook(HookType.ReadProtected, this.#register(callback, CallbackType.Protection));
  }
  /** Fetches from memory without Protection.Execute, by physical address. */
  onProtectedFetch(callback: ProtectionCallback): void {
    this.#hook(HookType.FetchProtected, this.#register(callback, CallbackType.Protection));
  }

  readRegister(register: number): bigint {
    this.#check('uc_reg_read', this.#functions.regRead(this.#handle, register, this.#scratch.address));
    return this.#scratchWords[0] as bigint;
  }

  /** Reads a register that takes a structure: fills in its words. @returns the word at `at` */
  readStructure(register: number, at: number, ...words: readonly bigint[]): bigint {
    this.#scratchWords.set(words);
    this.#check('uc_reg_read', this.#functions.regRead(this.#handle, register, this.#scratch.address));
    return this.#scratchWords[at] as bigint;
  }

  /** Writes a register that takes one value, or a structure of up to eight 64-bit words. */
  writeRegister(register: number, ...words: readonly bigint[]): void {
    this.#scratchWords.set(words);
    this.#check('uc_reg_write', this.#functions.regWrite(this.#handle, register, this.#scratch.address));
  }

  registerGroup(registers: readonly number[]): RegisterGroup {
    const start = this.#scratchUsed;
    const { length } = registers;
    this.#scratchUsed += 3 * length;
    if (this.#scratchUsed * 8 > SCRATCH_BYTES) throw new RangeError('too many register groups');
    const at = (word: number) => this.#scratch.address + word * 8;
    const values = this.#scratchWords.subarray(start, start + length);
    const ids = new Int32Array(
      this.#scratchWords.buffer,
      this.#scratchWords.byteOffset + (start + 2 * length) * 8,
      length,
    );
    ids.set(registers);
    for (let index = 0; index < length; index++) {
      this.#scratchWords[start + length + index] = BigInt(at(start + index));
    }
    const pointers = at(start + length);
    const idsAddress = at(start + 2 * length);
    const write = () => {
      this.#check(
        'uc_reg_write_batch',
        this.#functions.regWriteBatch(this.#handle, idsAddress, pointers, length),
      );
    };
    return { values, write };
  }

  saveState(into?: ProcessorState): ProcessorState {
    const state = into ?? this.#allocateState();
    this.#check('uc_context_save', this.#functions.contextSave(this.#handle, state));
    return state;
  }
  /** Brings the processor back to a saved state. Its TLB keeps what it has. */
  restoreState(state: ProcessorState): void {
    this.#check('uc_context_restore', this.#functions.contextRestore(this.#handle, state));
  }

  /** Between runs: makes room for translated code before it is used up. */
  reclaimCode(): void {
    if (this.#stops < MAX_STOPS) return;
    this.#stops = 0;
    this.#control(Control.FlushCode);
  }

  flushTlb(): void {
    this.#control(Control.FlushTlb);
  }

  /**
   * Runs until the instruction at `until` is next.
   * @returns 'done', or 'stopped' where a fetch callback returned false
   */
  run(begin: bigint, until: bigint): 'done' | 'stopped' {
    const status = this.#functions.emuStart(this.#handle, begin, until, 0, 0);
    if (status === UnicornError.Ok) return 'done';
    if (status === UnicornError.FetchProtected) {
      this.#stops++;
      return 'stopped';
    }
    throw this.#failure(`uc_emu_start at ${hex(begin)}`, status);
  }

  /** Releases everything. Safe to call more than once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const state of this.#states) this.#functions.contextFree(state);
    this.#functions.close(this.#handle);
    for (const callback of this.#callbacks) koffi.unregister(callback);
    this.#scratch.release();
  }

  #allocateState(): ProcessorState {
    const handle = new BigUint64Array(1);
    this.#check('uc_context_alloc', this.#functions.contextAlloc(this.#handle, handle));
    const state = Number(handle[0]) as ProcessorState;
    this.#states.push(state);
    return state;
  }

  #register(callback: (...values: never[]) => unknown, type: CallbackTypeSpec): bigint {
    const registered = koffi.register(callback, type);
    this.#callbacks.push(registered);
    return registered;
  }

  /** A hook for every address: Unicorn takes an empty range for all. */
  #hook(type: number, callback: bigint): void {
    const hook = new BigUint64Array(1);
    this.#check('uc_hook_add', this.#functions.hookAdd(this.#handle, hook, type, callback, 0, 1, 0));
  }

  #control(control: number, ...typesAndValues: (string | number)[]): void {
    this.#check('uc_ctl', this.#functions.control(this.#handle, control, ...typesAndValues));
  }

  #check(what: string, status: number): void {
    if (status !== UnicornError.Ok) throw this.#failure(what, status);
  }

  #failure(what: string, status: number): UnicornCallError {
    return new UnicornCallError(`${what}: ${this.#functions.strerror(status)} (error ${status})`);
  }
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array(buffer, byteOffset, byteLength / 8);
}

import {
  CONTROL_OFFSET,
  Control,
  ExitMode,
  PROBE_WINDOW_OFFSET,
  RESULT_RECORD_BYTES,
  RESULT_RECORD_WORDS,
  RESULT_WINDOW_OFFSET,
  Result,
  STUB_REGION_BYTES,
  VECTOR_NONE,
  VECTOR_UNWRITTEN,
} from '../../../guest-stubs/protocol.ts';
import { STORED_BYTE, X64Command } from '../../../guest-stubs/x64/control.ts';
import { rootOf } from '../../../guest-stubs/x64/graft.ts';
import { type Placement, topLevelSlot } from '../../../guest-stubs/x64/placement.ts';
import { cr3Of, stubBytes } from '../../../guest-stubs/x64/stub-bytes.ts';
import { planX64Stub, type X64StubPlan } from '../../../guest-stubs/x64/stub-plan.ts';
import { Symbols } from '../../../guest-stubs/x64/symbols.ts';
import { ACCESS_RECORD_BYTES, ACCESS_RECORD_WORDS, Access, AccessFlag } from '../../../src/access-list.ts';
import { FRAME_SIZE, hex } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { Known, StructuralFault, x64Fault } from '../../../src/outcome-list.ts';
import type { X64Registers } from '../../../src/registers.ts';
import { EntryLow } from '../../../src/x64/entry-bits.ts';
import { addressInFrame, type Batch, type Findings, MAX_BATCH } from './batch.ts';
import { Architecture, Mode } from './binding.ts';
import type { ProcessorState, RegisterGroup, UnicornEngine } from './engine.ts';
import type { UnicornGuest } from './guest.ts';
import type { GuestMemory } from './guest-memory.ts';
import { type Landings, NOWHERE, SCATTERED } from './landings.ts';
import type { UnicornLibrary } from './library.ts';
import { isInExtent } from './memory-blocks.ts';
import { ObservedProcessor } from './processor.ts';
import { ICELAKE_SERVER, MSR_EFER, X86 } from './x64-registers.ts';

/** MAXPHYADDR of every x64 processor in Unicorn. */
export const PHYSICAL_ADDRESS_BITS = 40;

const VECTOR_INVALID_OPCODE = 6;
const VECTOR_PAGE_FAULT = 14;

/** Code of the stub: its own text and the user page. */
const CODE_BYTES = 0x2000;

const KNOWN_FAULT = Known.Completion | Known.FaultClass | Known.FaultAddress;

/** The stub in one placement. */
interface Place extends Placement {
  readonly extent: { readonly address: number; readonly size: number };
  readonly words: Uint32Array;
  readonly records: Uint32Array;
  readonly results: Uint32Array;
  /** Ready to begin a batch; undefined until the stub has been there. */
  ready: ProcessorState | undefined;
}

/** An x64 image and the stub in one emulated processor. */
export class X64UnicornGuest implements UnicornGuest {
  readonly hasUser = true;
  readonly flags: number;
  readonly #plan: X64StubPlan;
  readonly #processor: ObservedProcessor;
  readonly #engine: UnicornEngine;
  readonly #memory: GuestMemory;
  readonly #landings: Landings;
  readonly #places: readonly Place[];
  readonly #resume: RegisterGroup;
  /** For each record 0, or the vector of its exception, CR2, and where in the stub it was. */
  readonly #vectors = new Uint8Array(MAX_BATCH);
  readonly #addresses = new BigUint64Array(MAX_BATCH);
  readonly #addressWords = new Uint32Array(this.#addresses.buffer);
  readonly #instructions = new BigInt64Array(MAX_BATCH);
  #place: Place;
  #batch: Batch | undefined;
  /** What went wrong inside a callback. */
  #broken: string | undefined;

  /**
   * @param live whether the tables change while the guest runs
   * @throws RangeError if the image is not for this processor
   */
  constructor(library: UnicornLibrary, registers: X64Registers, memory: PhysicalMemory, live: boolean) {
    this.#plan = planX64Stub(registers, memory, live);
    this.flags = AccessFlag.AlignmentCheck | (this.#plan.protectionKeys ? AccessFlag.ProtectionKeys : 0);
    const regions = this.#plan.placements.map(({ region }) => ({ address: region, size: STUB_REGION_BYTES }));
    this.#processor = new ObservedProcessor({
      library,
      model: { architecture: Architecture.X86, mode: Mode.Bits64, model: ICELAKE_SERVER },
      image: memory,
      regions,
      physicalAddressBits: PHYSICAL_ADDRESS_BITS,
      isOwnFetch: (address) => this.#isOwnFetch(address),
    });
    this.#engine = this.#processor.engine;
    this.#memory = this.#processor.memory;
    this.#landings = this.#processor.landings;
    this.#engine.onInterrupt((_engine, vector) => this.#onException(vector));
    // An undefined instruction ends the run, unless this says that its interrupt will be handled.
    this.#engine.onInvalidInstruction(() => true);
    this.#resume = this.#engine.registerGroup([X86.Rip, X86.Rdx]);
    this.#places = this.#plan.placements.map((placement) => this.#viewPlace(placement));
    this.#place = this.#places[0] as Place;
    this.#engine.writeRegister(X86.Msr, MSR_EFER, this.#plan.efer);
    this.#engine.writeRegister(X86.Cr4, this.#plan.cr4);
    this.#engine.writeRegister(X86.Cr3, cr3Of(this.#place, this.#plan));
    this.#engine.writeRegister(X86.Cr0, this.#plan.cr0);
    // The copy of the top-level table is made now, so that later changes reach it.
    if (live) this.#enter(this.#place);
  }

  placesFor(_low: number, high: number, frame: number): readonly number[] {
    const slot = topLevelSlot(high, this.#plan.levels);
    const first = this.#places[0] as Place;
    if (slot !== first.slot && !isInExtent(frame * FRAME_SIZE, first.extent)) {
      return this.#plan.live ? ONLY_PLACE : FIRST_PLACES;
    }
    // Leaving a place invalidates everything.
    if (this.#plan.live) return [];
    const possible = this.#places
      .map((_, index) => index)
      .filter((index) => this.#places[index]?.slot !== slot);
    const meets = (index: number) => isInExtent(frame * FRAME_SIZE, (this.#places[index] as Place).extent);
    return [...possible.filter((index) => !meets(index)), ...possible.filter(meets)];
  }

  run(place: number, batch: Batch): void {
    this.#enter(this.#places[place] as Place);
    const { base, words, records, results } = this.#place;
    const count = batch.length;
    this.#batch = batch;
    this.#broken = undefined;
    this.#vectors.fill(0, 0, count);
    records.set(batch.records);
    for (let at = Result.Vector / 4; at < count * RESULT_RECORD_WORDS; at += RESULT_RECORD_WORDS) {
      results[at] = VECTOR_UNWRITTEN;
    }
    words[COUNT] = count;
    this.#landings.begin(records.subarray(0, count * ACCESS_RECORD_WORDS), {
      words,
      at: Symbols.current_probe / 4,
      base: Number((base + BigInt(PROBE_WINDOW_OFFSET)) & 0xffff_ffffn),
      shift: Math.log2(ACCESS_RECORD_BYTES),
    });

    const at = (label: number) => base + BigInt(label);
    this.#engine.reclaimCode();
    this.#engine.restoreState(this.#place.ready as ProcessorState);
    let begin = at(Symbols.batch);
    while (this.#engine.run(begin, at(Symbols.batch_end)) === 'stopped') {
      this.#engine.restoreState(this.#place.ready as ProcessorState);
      begin = at(Symbols.user_completed);
    }
    this.#checkEnd(words, count);
  }

  /** The result records of the batch that ran last. */
  get results(): Uint32Array {
    return this.#place.results;
  }

  /** Carries out TLB operations. @param operations their records, as words */
  invalidate(operations: Uint32Array): void {
    const place = this.#places[0] as Place;
    const { base, words, records } = place;
    const count = operations.length / ACCESS_RECORD_WORDS;
    records.set(operations);
    words[COUNT] = count;
    words[COMMAND] = X64Command.Invalidate;
    this.#engine.restoreState(place.ready as ProcessorState);
    this.#engine.run(base + BigInt(Symbols.batch), base + BigInt(Symbols.batch_end));
    words[COMMAND] = X64Command.ProbeKeepTlb;
    this.#checkEnd(words, count);
  }

  /** Writes an entry of the image's memory, and of the copy of the top-level table. */
  writeEntry(address: number, low: number, high: number): void {
    const set = (at: number) => {
      const words = this.#memory.words(at, ENTRY_BYTES);
      words[0] = low;
      words[1] = high;
    };
    set(address);
    const inTopLevel = address - this.#plan.topLevelFrame * FRAME_SIZE;
    const isTopLevel = inTopLevel >= 0 && inTopLevel < FRAME_SIZE;
    const place = this.#places[0] as Place;
    if (isTopLevel && inTopLevel / ENTRY_BYTES !== place.slot) set(rootOf(place) + inTopLevel);
  }

  #checkEnd(words: Uint32Array, count: number): void {
    if (this.#broken !== undefined) throw new Error(this.#broken);
    if (words[(CONTROL_OFFSET + Control.Done) / 4] !== count) {
      throw new Error(`the stub made ${words[(CONTROL_OFFSET + Control.Done) / 4]} of ${count} probes`);
    }
  }

  conclude(batch: Batch, position: number, { outcomes, remarks }: Findings): boolean {
    const { accesses } = batch;
    const index = batch.indices[position] as number;
    const vector = this.#vectors[position] as number;
    const written =
      (this.#place.results[position * RESULT_RECORD_WORDS + Result.Vector / 4] as number) & 0xffff;
    if (written === VECTOR_UNWRITTEN) throw new Error(`no result for ${hex(batch.address(position))}`);
    if (vector === 0 && written === VECTOR_NONE) {
      const frame = this.#landings.frames[position] as number;
      outcomes.known[index] = Known.Completion;
      if (frame === NOWHERE) return false;
      if (frame === SCATTERED) {
        remarks.set(index, 'load and store of one access went to different frames');
        return true;
      }
      outcomes.known[index] = Known.Completion | Known.PhysicalAddress;
      outcomes.physicalAddress[index] = addressInFrame(accesses, index, frame);
      return true;
    }
    if ((accesses.flags(index) & AccessFlag.Stack) !== 0 && vector !== VECTOR_PAGE_FAULT) {
      // The stub's accesses do not go through the stack segment, so it cannot tell #SS from #GP.
      outcomes.known[index] = Known.Completion;
    } else {
      outcomes.known[index] = KNOWN_FAULT;
    }
    // Before a store that faults the stub has read the start of the slot, by the same tables: those are all there.
    const leftMemory =
      vector === VECTOR_PAGE_FAULT && this.#landings.leftMemory[position] === 1 && !this.#isStore(position);
    outcomes.fault[index] = leftMemory ? StructuralFault.TableOutsideMemory : x64Fault(vector, 0);
    if (vector === VECTOR_PAGE_FAULT) {
      const offset = this.#isStore(position) ? STORED_BYTE : 0;
      const low = this.#addressWords[2 * position] as number;
      const high = this.#addressWords[2 * position + 1] as number;
      if (batch.isBehind(position, offset, low, high)) {
        // As nearly always: the address of the access itself, without making bigints.
        outcomes.faultAddressWords[2 * index] = accesses.words[index * ACCESS_RECORD_WORDS] as number;
        outcomes.faultAddressWords[2 * index + 1] = accesses.words[index * ACCESS_RECORD_WORDS + 1] as number;
      } else {
        const distance = (this.#addresses[position] as bigint) - batch.address(position) - BigInt(offset);
        outcomes.faultAddress[index] = BigInt.asUintN(64, accesses.address(index) + distance);
      }
    }
    return true;
  }

  readBack(): PhysicalMemory {
    const copy = this.#memory.readBack();
    const root = copy.frameWords(this.#plan.topLevelFrame) as Uint32Array;
    for (const place of this.#places) {
      if (place.ready === undefined) continue;
      const used = this.#memory.words(rootOf(place), FRAME_SIZE);
      for (let slot = 0; slot < 512; slot++) {
        if (slot === place.slot) continue;
        const accessed = (used[2 * slot] as number) & EntryLow.Accessed;
        root[2 * slot] = ((root[2 * slot] as number) | accessed) >>> 0;
      }
    }
    return copy;
  }

  close(): void {
    this.#processor.close();
  }

  #viewPlace(placement: Placement): Place {
    const { region } = placement;
    return {
      ...placement,
      extent: { address: region, size: STUB_REGION_BYTES },
      words: this.#memory.words(region, STUB_REGION_BYTES),
      records: this.#memory.words(region + PROBE_WINDOW_OFFSET, MAX_BATCH * ACCESS_RECORD_BYTES),
      results: this.#memory.words(region + RESULT_WINDOW_OFFSET, MAX_BATCH * RESULT_RECORD_BYTES),
      ready: undefined,
    };
  }

  /** Lets the stub of a place set itself up the first time. */
  #enter(place: Place): void {
    this.#place = place;
    this.#memory.silence(place.extent);
    if (place.ready !== undefined) return;
    this.#memory.write(place.region, stubBytes(place, this.#plan, ExitMode.Stop));
    this.#engine.writeRegister(X86.Cr3, cr3Of(place, this.#plan));
    this.#engine.run(place.base + BigInt(Symbols.entry), place.base + BigInt(Symbols.batch));
    place.ready = this.#engine.saveState();
    if (this.#plan.live) place.words[COMMAND] = X64Command.ProbeKeepTlb;
  }

  /** Notes an exception of an access, or the UD2 that ends a user-mode access which completed. */
  #onException(vector: number): void {
    const instruction = this.#engine.readRegister(X86.Rip) - this.#place.base;
    if (vector === VECTOR_INVALID_OPCODE && instruction === USER_DONE) {
      this.#goOnAt(Symbols.user_completed, 0);
      return;
    }
    const position = this.#landings.position;
    this.#vectors[position] = vector;
    this.#instructions[position] = instruction;
    this.#addresses[position] = vector === VECTOR_PAGE_FAULT ? this.#engine.readRegister(X86.Cr2) : 0n;
    this.#checkOrigin(position, vector, instruction);
    this.#goOnAt(Symbols.record_fault, vector);
  }

  /**
   * Does what the stub's `trap` would; the labels take all but RIP and RDX from memory. The saved state has a
   * clean exception status too: without that the next exception would be a double fault.
   */
  #goOnAt(label: number, vector: number): void {
    this.#engine.restoreState(this.#place.ready as ProcessorState);
    this.#resume.values[0] = this.#place.base + BigInt(label);
    this.#resume.values[1] = BigInt(vector);
    this.#resume.write();
  }

  /** An exception must come from the access: in the stub's code, or, for a fetch, at the address itself. */
  #checkOrigin(position: number, vector: number, instruction: bigint): void {
    const batch = this.#batch;
    if (batch === undefined || position >= batch.length) {
      this.#broken = `exception ${vector} outside of a probe`;
      return;
    }
    const isFetch = batch.accesses.access(batch.indices[position] as number) === Access.Execute;
    const isExpected = isFetch
      ? BigInt.asUintN(64, instruction + this.#place.base) === batch.address(position)
      : instruction >= 0n && instruction < BigInt(CODE_BYTES);
    if (!isExpected) {
      this.#broken = `exception ${vector} at ${hex(BigInt.asUintN(64, instruction + this.#place.base))} while ${hex(batch.address(position))} was probed`;
    }
  }

  #isOwnFetch(physicalAddress: number): boolean {
    const { region, base } = this.#place;
    if (physicalAddress < region || physicalAddress >= region + CODE_BYTES) return false;
    const offset = this.#engine.readRegister(X86.Rip) - base;
    return offset >= 0n && offset < BigInt(CODE_BYTES);
  }

  /** Whether it was the stub's store that raised the exception. */
  #isStore(position: number): boolean {
    const instruction = this.#instructions[position];
    return instruction === SUPERVISOR_STORE || instruction === USER_STORE;
  }
}

const USER_DONE = BigInt(Symbols.user_done);
const SUPERVISOR_STORE = BigInt(Symbols.supervisor_write_store);
const USER_STORE = BigInt(Symbols.user_write_store);
const COUNT = (CONTROL_OFFSET + Control.Count) / 4;
const COMMAND = (CONTROL_OFFSET + Control.Command) / 4;
const ENTRY_BYTES = 8;
const ONLY_PLACE: readonly number[] = [0];
const FIRST_PLACES: readonly number[] = [0, 1, 2];

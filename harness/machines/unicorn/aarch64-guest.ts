import { ExceptionClass } from '../../../guest-stubs/aarch64/esr.ts';
import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { operationRecords, switchOperations } from '../../../guest-stubs/aarch64/live-records.ts';
import { readImage } from '../../../guest-stubs/aarch64/read-image.ts';
import { freeRegions } from '../../../guest-stubs/aarch64/regions.ts';
import { planStub, type StubPlan } from '../../../guest-stubs/aarch64/stub-plan.ts';
import {
  CODE_BYTES,
  FLAG_LOAD_ALWAYS,
  OTHER_TABLES_OFFSET,
  REGION_BYTES,
  TABLES_OFFSET,
  VECTOR_SAME_LEVEL,
  VECTOR_USER,
} from '../../../guest-stubs/aarch64/stub-protocol.ts';
import { Symbols } from '../../../guest-stubs/aarch64/symbols.ts';
import {
  CONTROL_OFFSET,
  Control,
  RESULT_RECORD_WORDS,
  Result,
  VECTOR_UNWRITTEN,
} from '../../../guest-stubs/protocol.ts';
import { regimeHasUser } from '../../../src/aarch64/walk-regime.ts';
import { ACCESS_RECORD_WORDS, Access, AccessFlag, Privilege } from '../../../src/access-list.ts';
import { FRAME_SIZE, hex } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { HPFAR_NONE } from '../../../src/outcome-list.ts';
import type { AArch64Registers } from '../../../src/registers.ts';
import { concludeRecord } from './aarch64-conclude.ts';
import { type Place, placesFrom, setUpPlace } from './aarch64-place.ts';
import { addressBitsOf, checkFeatures, modelNumber, PHYSICAL_ADDRESS_BITS } from './aarch64-processor.ts';
import { Arm64, Interrupt } from './aarch64-registers.ts';
import { AArch64System } from './aarch64-system.ts';
import { type Batch, type Findings, MAX_BATCH } from './batch.ts';
import { Architecture, Mode } from './binding.ts';
import type { RegisterGroup } from './engine.ts';
import type { UnicornGuest } from './guest.ts';
import type { UnicornLibrary } from './library.ts';
import { type Extent, isInExtent } from './memory-blocks.ts';
import { ObservedProcessor } from './processor.ts';

const EC_SHIFT = 26n;
const EC_SVC = 0x15n;
/** What the stub is told of an exception that is no abort: a fetch that was made. */
const EC_UNKNOWN = 0n;

const REGIONS = 2;
const LABELS = {
  1: { run: Symbols.run_el1, fault: Symbols.fault_el1, end: Symbols.batch_end_el1 },
  2: { run: Symbols.run_el2, fault: Symbols.fault_el2, end: Symbols.batch_end_el2 },
  3: { run: Symbols.run_el3, fault: Symbols.fault_el3, end: Symbols.batch_end_el3 },
  nested: {
    run: Symbols.run_el1_nested,
    fault: Symbols.fault_el1_nested,
    end: Symbols.batch_end_el1_nested,
  },
} as const;

/** An AArch64 image and the stub in one emulated processor. */
export class AArch64UnicornGuest implements UnicornGuest {
  readonly hasUser: boolean;
  readonly flags = AccessFlag.TranslateOnly;
  readonly #system: AArch64System;
  readonly #hasStageTwo: boolean;
  readonly #labels: (typeof LABELS)[keyof typeof LABELS];
  /** Whether translations stay cached from one batch to the next. */
  readonly #live: boolean;
  #plan: StubPlan;
  /** Where addresses pass stage 1 as they are: from where on the processor's answer would not be the image's. */
  readonly #flatEnd: number | undefined;
  readonly #processor: ObservedProcessor;
  readonly #regions: readonly Extent[];
  /** By region and installation; undefined until the stub has been there. */
  readonly #places: (Place | undefined)[] = [];
  readonly #resume: RegisterGroup;
  /** For each record 0, or the exception class of the last exception that is no completion. */
  readonly #classes = new Uint8Array(MAX_BATCH);
  /** For each record HPFAR_EL2 if stage 2 raised its exception, else HPFAR_NONE. */
  readonly #hpfars = new BigUint64Array(MAX_BATCH);
  #place: Place | undefined;
  /** The only place of live tables; undefined until a probe decides which half it serves. */
  #livePlace: 0 | 1 | undefined;
  #broken: string | undefined;

  /**
   * @param live whether the tables change while the guest runs
   * @throws RangeError if the image is not for this processor
   */
  constructor(library: UnicornLibrary, registers: AArch64Registers, memory: PhysicalMemory, live = false) {
    checkFeatures(registers);
    this.#live = live;
    this.#hasStageTwo = hasStageTwo(registers);
    if (live && this.#hasStageTwo) {
      throw new RangeError(
        'stage 2 does not change while Unicorn runs: its TLBIs are EL2’s, and the loop is at EL1',
      );
    }
    this.#labels = LABELS[this.#hasStageTwo ? 'nested' : registers.exceptionLevel];
    this.hasUser = regimeHasUser(registers);
    const readMemory = (address: number, bytes: Uint8Array) => readImage(memory, address, bytes);
    this.#plan = planStub(registers, readMemory, undefined, memory);
    const { flatBits } = this.#plan;
    const bits = addressBitsOf(registers);
    if (flatBits !== undefined && flatBits !== bits) this.#flatEnd = 2 ** Math.min(flatBits, bits);
    this.#regions = freeRegions(memory, REGIONS).map((address) => ({ address, size: REGION_BYTES }));
    this.#processor = new ObservedProcessor({
      library,
      model: { architecture: Architecture.Arm64, mode: Mode.Arm, model: modelNumber(registers) },
      image: memory,
      regions: this.#regions,
      physicalAddressBits: PHYSICAL_ADDRESS_BITS,
      isOwnFetch: (address) => this.#isOwnFetch(address),
    });
    const { engine } = this.#processor;
    this.#system = new AArch64System(engine, registers);
    engine.onInterrupt((_engine, interrupt) => this.#onException(interrupt));
    this.#resume = engine.registerGroup([Arm64.X9, Arm64.X10, Arm64.X12, Arm64.Pc]);
  }

  placesFor(low: number, high: number, frame: number): readonly number[] {
    if (this.reasonWithoutPlace(low, high) !== undefined) return [];
    const installation = this.#plan.installationFor(low, high);
    const meets = isInExtent(frame * FRAME_SIZE, this.#regions[0] as Extent);
    if (this.#live) {
      // Another place would take another installation, which invalidates everything.
      this.#livePlace ??= installation;
      return meets || installation !== this.#livePlace ? [] : [installation];
    }
    return placesFrom(meets ? 1 : 0, installation);
  }

  reasonWithoutPlace(low: number, high: number): string | undefined {
    const { meetsStub } = this.#plan;
    if (this.#flatEnd !== undefined && (high & 0xff_ffff) * 2 ** 32 + low >= this.#flatEnd) {
      return 'not made: the image assumes another size of physical addresses than the processor has';
    }
    // Of all accesses to a place a read of EL1 gets furthest.
    return meetsStub?.(low, high, Access.Read, Privilege.Supervisor)
      ? 'it leads to intermediate addresses at which the stub is'
      : undefined;
  }

  run(which: number, batch: Batch): void {
    const place = this.#enter(which);
    const { engine, landings } = this.#processor;
    const { words, records, results } = place;
    const count = batch.length;
    this.#broken = undefined;
    this.#classes.fill(0, 0, count);
    this.#hpfars.fill(HPFAR_NONE, 0, count);
    records.set(batch.records);
    if (this.#live) loadAlways(records.subarray(0, count * ACCESS_RECORD_WORDS));
    for (let at = Result.Vector / 4; at < count * RESULT_RECORD_WORDS; at += RESULT_RECORD_WORDS) {
      results[at] = VECTOR_UNWRITTEN;
    }
    words[(CONTROL_OFFSET + Control.Count) / 4] = count;
    words[(CONTROL_OFFSET + Control.Done) / 4] = 0;
    landings.begin(records.subarray(0, count * ACCESS_RECORD_WORDS), {
      words,
      at: (CONTROL_OFFSET + Control.Done) / 4,
      base: 0,
      shift: 0,
    });

    engine.reclaimCode();
    if (!this.#live) engine.flushTlb();
    const labels = this.#labels;
    const end = place.stubAddress + BigInt(labels.end);
    let begin = place.stubAddress + BigInt(labels.run);
    while (engine.run(begin, end) === 'stopped') {
      this.#classes[landings.position] = 0;
      this.#returnToLoop(EC_UNKNOWN);
      begin = place.stubAddress + BigInt(labels.fault);
    }
    if (this.#broken !== undefined) throw new Error(this.#broken);
    const done = words[(CONTROL_OFFSET + Control.Done) / 4];
    if (done !== count) throw new Error(`the stub made ${done} of ${count} probes`);
  }

  /** The result records of the batch that ran last. */
  get results(): Uint32Array {
    return (this.#place as Place).results;
  }

  /**
   * Carries out operations at the loop's level. Before the first batch the processor has nothing cached.
   * @param records their records, as words
   */
  operate(operations: Uint32Array): void {
    const place = this.#place;
    if (place === undefined) return;
    const { words, records, stubAddress } = place;
    const count = operations.length / ACCESS_RECORD_WORDS;
    records.set(operations);
    words[COUNT] = count;
    words[DONE] = 0;
    this.#broken = undefined;
    this.#processor.engine.run(
      stubAddress + BigInt(Symbols.operate_here),
      stubAddress + BigInt(Symbols.operate_end),
    );
    if (this.#broken !== undefined) throw new Error(this.#broken);
    if (words[DONE] !== count) throw new Error(`the stub carried out ${words[DONE]} of ${count} operations`);
  }

  /** Writes an entry of the image's memory, and of the copy of its root. */
  writeEntry(address: number, low: number, high: number): void {
    const set = (at: number) => this.#processor.memory.words(at, ENTRY_BYTES).set([low, high]);
    set(address);
    const place = this.#place;
    if (this.#plan.copiedRoot === undefined || place === undefined) return;
    const { address: root, bytes, slots } = this.#plan.copiedRoot;
    const offset = address - root;
    if (offset < 0 || offset >= bytes || offset === slots[this.#livePlace ?? 0] * ENTRY_BYTES) return;
    set(place.region.address + place.tablesOffset + offset);
  }

  /**
   * Loads the base registers of other tables.
   * @throws RangeError if the stub cannot run beside them
   */
  switchTables(registers: AArch64Registers): void {
    const { memory } = this.#processor;
    const readMemory = (address: number, bytes: Uint8Array) => memory.read(address, bytes);
    this.#plan = planStub(registers, readMemory, this.#plan.copiedRoot?.slots);
    const place = this.#place;
    if (place === undefined) return;
    // A copied root gets another place, so that the base register really changes.
    const isMoved = this.#plan.copiedRoot !== undefined;
    const other = place.tablesOffset === TABLES_OFFSET ? OTHER_TABLES_OFFSET : TABLES_OFFSET;
    const tablesOffset = isMoved ? other : place.tablesOffset;
    const { address } = place.region;
    const next = { ...place, ...this.#plan.install(this.#livePlace ?? 0, address, readMemory, tablesOffset) };
    memory.write(address + tablesOffset, next.tables);
    this.#place = next;
    this.#places[this.#livePlace ?? 0] = next;
    const records = operationRecords(switchOperations(place.registers, next.registers));
    this.operate(new Uint32Array(records.buffer));
  }

  conclude(batch: Batch, position: number, findings: Findings): boolean {
    const { frames, leftMemory } = this.#processor.landings;
    const record = {
      results: (this.#place as Place).results,
      exceptionClass: this.#classes[position] as number,
      frame: frames[position] as number,
      isFetchTypeKnown: this.#plan.isFetchTypeKnown,
      // Of live tables the stub's own load may have done so.
      leftMemory: !this.#live && leftMemory[position] === 1,
      ...(this.#hasStageTwo && { hpfar: this.#hpfars[position] as bigint }),
    };
    return concludeRecord(record, batch, position, findings);
  }

  readBack(): PhysicalMemory {
    // The processor has no FEAT_HAFDBS: it changes nothing, not in copies of root tables either.
    return this.#processor.memory.readBack();
  }

  close(): void {
    this.#processor.close();
  }

  #enter(which: number): Place {
    const known = this.#places[which];
    if (known !== undefined && known === this.#place) return known;
    const region = this.#regions[which >> 1] as Extent;
    const place = known ?? setUpPlace(this.#processor.memory, this.#plan, region, (which & 1) as 0 | 1);
    this.#places[which] = place;
    this.#place = place;
    this.#processor.memory.silence(place.region);
    this.#processor.memory.write(place.region.address + place.tablesOffset, place.tables);
    this.#system.install(place.registers);
    return place;
  }

  /** Notes an exception and goes on where the stub's vectors would: Unicorn delivers none to the guest. */
  #onException(interrupt: number): void {
    const { engine, landings } = this.#processor;
    const position = landings.position;
    switch (interrupt) {
      case Interrupt.HypervisorCall:
        this.#system.callEl2((this.#place as Place).region.address + Symbols.translate_both_stages);
        return;
      case Interrupt.SupervisorCall:
        this.#returnToLoop(EC_SVC);
        return;
      case Interrupt.DataAbort:
        this.#classes[position] = this.#isFromBelow(position)
          ? ExceptionClass.DataAbortLower
          : ExceptionClass.DataAbortSame;
        break;
      case Interrupt.PrefetchAbort:
        this.#classes[position] = this.#isFromBelow(position)
          ? ExceptionClass.InstructionAbortLower
          : ExceptionClass.InstructionAbortSame;
        break;
      default:
        this.#broken ??= `exception ${interrupt} at ${hex(engine.readRegister(Arm64.Pc))}`;
    }
    this.#returnToLoop(BigInt(this.#classes[position] as number));
  }

  /** Whether the exception of a record comes from EL0, or is stage 2's and so EL2's. */
  #isFromBelow(position: number): boolean {
    const hpfar = this.#system.takeHpfar();
    this.#hpfars[position] = hpfar;
    return hpfar !== HPFAR_NONE || this.#system.isUser;
  }

  /** To the loop's exception level and its handler, with everything else as it is. */
  #returnToLoop(exceptionClass: bigint): void {
    const { engine } = this.#processor;
    const place = this.#place as Place;
    const { isUser } = this.#system;
    const { values } = this.#resume;
    values[0] = BigInt(isUser ? VECTOR_USER : VECTOR_SAME_LEVEL);
    values[1] = exceptionClass << EC_SHIFT;
    values[2] = engine.readRegister(Arm64.Pc);
    values[3] = place.stubAddress + BigInt(this.#labels.fault);
    if (isUser) this.#system.enterLoopLevel();
    this.#resume.write();
  }

  #isOwnFetch(physicalAddress: number): boolean {
    const place = this.#place;
    if (place === undefined || !isInExtent(physicalAddress, place.region)) return false;
    const pc = this.#processor.engine.readRegister(Arm64.Pc);
    // EL2 under stage 2 runs at physical addresses.
    return (
      isInCode(pc - place.stubAddress) || (this.#hasStageTwo && isInCode(pc - BigInt(place.region.address)))
    );
  }
}

function isInCode(offset: bigint): boolean {
  return offset >= 0n && offset < BigInt(CODE_BYTES);
}

const ENTRY_BYTES = 8;
const COUNT = (CONTROL_OFFSET + Control.Count) / 4;
const DONE = (CONTROL_OFFSET + Control.Done) / 4;

/** Gives records the flag that has the stub load what it keeps or fears. */
function loadAlways(records: Uint32Array): void {
  for (let at = 2; at < records.length; at += ACCESS_RECORD_WORDS) {
    records[at] = ((records[at] as number) | (FLAG_LOAD_ALWAYS << 16)) >>> 0;
  }
}

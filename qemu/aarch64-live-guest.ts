import { decodeResults } from '../guest-stubs/aarch64/decode-results.ts';
import { hasStageTwo } from '../guest-stubs/aarch64/installation.ts';
import {
  type LiveOperation,
  operationRecords,
  switchOperations,
} from '../guest-stubs/aarch64/live-records.ts';
import { peekedValues, peekRecords } from '../guest-stubs/aarch64/peek-records.ts';
import { ENTRY_BYTES, type Installation, planStub, type StubPlan } from '../guest-stubs/aarch64/stub-plan.ts';
import {
  FLAG_LOAD_ALWAYS,
  MAX_BATCH,
  OTHER_TABLES_OFFSET,
  TABLES_OFFSET,
} from '../guest-stubs/aarch64/stub-protocol.ts';
import {
  aarch64Operations,
  differOnlyInTables,
  type LiveGuest,
  type TlbOperation,
} from '../harness/live-guest.ts';
import { MachineError, machineErrorOf, type Observations, type ProbeList } from '../harness/machine.ts';
import type { ImageShadow } from '../harness/machines/image-shadow.ts';
import { ACCESS_RECORD_WORDS, AccessList } from '../src/access-list.ts';
import { hex } from '../src/addresses.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { AArch64Registers, Registers } from '../src/registers.ts';
import { groupProbes } from './aarch64-batches.ts';
import { contextOf, type LoadedImage, tagSlots, withdrawMeetings } from './aarch64-probing.ts';
import { mergeRoot } from './aarch64-read-back.ts';

/** The installation that the processor runs under. */
interface Installed {
  readonly which: 0 | 1;
  readonly installation: Installation;
}

/**
 * The host's side of a guest whose tables change. It is installed once, for what the first probe needs; nothing is
 * installed or invalidated after that but by operations.
 */
export class AArch64LiveGuest implements LiveGuest {
  readonly #machine: string;
  readonly #shadow: ImageShadow;
  #image: LoadedImage;
  /** Undefined before the first probe: until then the processor has cached nothing. */
  #installed: Installed | undefined;

  /** @param shadow the image's memory as the guest has it */
  constructor(machine: string, image: LoadedImage, shadow: ImageShadow) {
    this.#machine = machine;
    this.#image = image;
    this.#shadow = shadow;
  }

  async update(): Promise<void> {
    try {
      this.#shadow.takeChanges((address, low, high) => this.#writeEntry(address, low, high));
    } catch (cause) {
      throw machineErrorOf(this.#machine, cause);
    }
  }

  async invalidate(operations: readonly TlbOperation[]): Promise<void> {
    await this.#operate(aarch64Operations(this.#machine, operations));
  }

  async switchTables(registers: Registers): Promise<void> {
    const before = this.#image.registers;
    if (!differOnlyInTables(before, registers)) {
      throw new MachineError(this.#machine, 'unfit', 'only TTBR0, TTBR1 and VTTBR can change while it runs');
    }
    const { guest } = this.#image;
    const readRam = (address: number, bytes: Uint8Array) => guest.ram.read(address, bytes);
    const plan = this.#replan(registers);
    if (this.#installed === undefined) {
      this.#image = { ...this.#image, registers, plan };
      return;
    }
    const { which, installation } = this.#installed;
    // A copied root gets another place, so that the base register really changes.
    const isMoved = plan.copiedRoot !== undefined;
    const place = installation.tablesOffset;
    const other = place === TABLES_OFFSET ? OTHER_TABLES_OFFSET : TABLES_OFFSET;
    const next = plan.install(which, guest.region, readRam, isMoved ? other : place);
    this.#checkRoom(next, plan.copiedRoot?.bytes ?? 1);
    this.#image = { ...this.#image, registers, plan };
    guest.install(next);
    this.#installed = { which, installation: next };
    await this.#operate(switchOperations(installation.registers, next.registers));
  }

  /** Machine.probe. */
  async probe(probes: ProbeList): Promise<Observations> {
    const outcomes = new OutcomeList(probes.accesses.length);
    const remarks = new Map<number, string>();
    if (hasStageTwo(this.#image.registers)) outcomes.ensureHpfar();
    let guestSeconds = 0;
    const { guest, plan, registers } = this.#image;
    const grouping = { plan, registers, physicalAddressBits: guest.physicalAddressBits };
    for (const group of groupProbes(probes, grouping, this.#image.regions, remarks)) {
      const which = this.#installed?.which ?? group.installation;
      if (group.region !== guest.region || group.installation !== which) {
        for (const index of group.indices) remarks.set(index, MEETS_THE_STUB);
        continue;
      }
      tagSlots(this.#image, group, probes.expectedFrames);
      for (let start = 0; start < group.accesses.length; start += MAX_BATCH) {
        const end = Math.min(start + MAX_BATCH, group.accesses.length);
        const accesses = group.accesses.slice(start, end);
        const indices = group.indices.subarray(start, end);
        const { words, seconds } = await this.#run(which, loadingAlways(group.slots.slice(start, end)));
        const installation = this.#installation();
        const context = { ...contextOf(this.#image, installation, accesses, indices), keepsTlb: true };
        decodeResults(context, words, outcomes, remarks);
        if (plan.intermediateRegion !== undefined) {
          withdrawMeetings(plan.intermediateRegion, guest.region, indices, outcomes, remarks);
        }
        guestSeconds += seconds;
      }
    }
    this.#mergeRoot();
    return { outcomes, remarks, guestSeconds };
  }

  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    const values: (bigint | undefined)[] = [];
    for (let at = 0; at < addresses.length; at += MAX_BATCH) {
      const some = addresses.slice(at, at + MAX_BATCH);
      const places = some.map((address) => this.#image.plan.installationFor(...wordsOf(address)));
      const which = this.#installed?.which ?? (places[0] as 0 | 1);
      const met = some[places.findIndex((place) => place !== which)];
      if (met !== undefined) {
        throw new MachineError(this.#machine, 'unfit', `${hex(met)} cannot be read: the stub is there`);
      }
      values.push(...peekedValues(some, (await this.#run(which, peekRecords(some))).words));
    }
    return values;
  }

  /** Runs a batch, the first one under a fresh installation. */
  async #run(which: 0 | 1, accesses: AccessList) {
    const { guest, plan } = this.#image;
    if (this.#installed !== undefined) {
      return guest.run(this.#installed.installation, accesses, { live: true, keepsTlb: true });
    }
    const readRam = (address: number, bytes: Uint8Array) => guest.ram.read(address, bytes);
    const installation = plan.install(which, guest.region, readRam);
    guest.install(installation);
    this.#installed = { which, installation };
    return guest.run(installation, accesses, { live: true });
  }

  async #operate(operations: readonly LiveOperation[]): Promise<void> {
    if (this.#installed === undefined) return;
    for (let at = 0; at < operations.length; at += MAX_BATCH) {
      await this.#image.guest.operate(operationRecords(operations.slice(at, at + MAX_BATCH)));
    }
  }

  /** Writes an entry of the image's memory, and of the copy of its root. */
  #writeEntry(address: number, low: number, high: number): void {
    const { guest, plan } = this.#image;
    const entry = new Uint8Array(Uint32Array.of(low, high).buffer);
    guest.ram.write(address, entry);
    if (plan.copiedRoot === undefined || this.#installed === undefined) return;
    const { which, installation } = this.#installed;
    const { address: root, bytes, slots } = plan.copiedRoot;
    const offset = address - root;
    if (offset < 0 || offset >= bytes || offset === slots[which] * ENTRY_BYTES) return;
    installation.tables.set(entry, offset);
    guest.ram.write(guest.region + installation.tablesOffset + offset, entry);
  }

  #mergeRoot(): void {
    const { guest, plan } = this.#image;
    if (plan.copiedRoot === undefined || this.#installed === undefined) return;
    const { which, installation } = this.#installed;
    mergeRoot(guest.ram, guest.region, plan.copiedRoot, which, installation);
  }

  /** The plan for other tables, with the stub where it is. */
  #replan(registers: AArch64Registers): StubPlan {
    const { guest, plan } = this.#image;
    const readRam = (address: number, bytes: Uint8Array) => guest.ram.read(address, bytes);
    try {
      return planStub(registers, readRam, plan.copiedRoot?.slots);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new MachineError(this.#machine, 'unfit', cause.message, { cause });
    }
  }

  /** Two sets of the stub's tables must fit beside each other, and a root be aligned to its size. */
  #checkRoom({ tables }: Installation, rootBytes: number): void {
    const room = OTHER_TABLES_OFFSET - TABLES_OFFSET;
    if (tables.length <= room && OTHER_TABLES_OFFSET % rootBytes === 0) return;
    const message = `a root of ${rootBytes} bytes cannot be exchanged while it runs`;
    throw new MachineError(this.#machine, 'unfit', message);
  }

  #installation(): Installation {
    if (this.#installed === undefined) throw new Error('nothing is installed');
    return this.#installed.installation;
  }
}

const MEETS_THE_STUB = 'not made: it would meet the probe stub, which stays where it is';

/** The accesses with the flag that has the stub load what it keeps or fears. */
function loadingAlways(slots: AccessList): AccessList {
  const flagged = new AccessList(slots.length);
  flagged.words.set(slots.words);
  for (let at = 2; at < flagged.words.length; at += ACCESS_RECORD_WORDS) {
    flagged.words[at] = ((flagged.words[at] as number) | (FLAG_LOAD_ALWAYS << 16)) >>> 0;
  }
  return flagged;
}

function wordsOf(address: bigint): [low: number, high: number] {
  return [Number(address & 0xffff_ffffn), Number(address >> 32n)];
}

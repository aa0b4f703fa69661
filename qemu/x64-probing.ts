import { STUB_REGION_BYTES } from '../guest-stubs/protocol.ts';
import { type PagingLevels, type Placement, topLevelSlot } from '../guest-stubs/x64/placement.ts';
import type { Observations, ProbeList } from '../harness/machine.ts';
import { ACCESS_RECORD_WORDS, Access, type AccessList } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { Known, OutcomeList } from '../src/outcome-list.ts';
import { GROUP_SIZE, type X64Batch } from './x64-batch.ts';
import { BATCH_LIMIT } from './x64-batch-queue.ts';
import { sameEntry, type X64Frames } from './x64-frames.ts';
import type { X64Guest } from './x64-guest.ts';
import { NOT_LOGGED, readLandings } from './x64-landings.ts';
import { decodeResults, setCompleted } from './x64-outcomes.ts';

/** Accesses that landed nowhere that could be named are tried again, up to this many. */
const RETRY_LIMIT = 65_536;

/** After a list of so many accesses, others work with the answers for some time. */
const LONG_LIST = 16_384;

const STUB_FRAMES = STUB_REGION_BYTES / FRAME_SIZE;

/** In the list of passes: it is not known yet in which pass the access is made, or it is made in none. */
const NOT_ASSIGNED = 0xfe;
const NOT_MADE = 0xff;

/** Accesses that are made together. */
interface Pass {
  /** See {@link passNumber}. */
  readonly number: number;
  /** Whether they are expected in frames of the image. */
  readonly inImage: boolean;
  /** Probes between two markers. */
  readonly groupSize: number;
}

/** One list of probes on its way through a guest. */
export class X64Probing {
  readonly #machine: string;
  readonly #guest: X64Guest;
  readonly #frames: X64Frames;
  readonly #accesses: AccessList;
  readonly #expected: Float64Array;
  readonly #outcomes: OutcomeList;
  readonly #remarks = new Map<number, string>();
  readonly #batches: readonly X64Batch[];
  /**
   * Where the stub may be, first where it is. Leaving a placement invalidates everything, so with live tables it
   * stays there.
   */
  readonly #placements: readonly Placement[];
  readonly #levels: PagingLevels;
  /** For each access the number of its pass. */
  readonly #passes: Uint8Array;
  /** A bit for the number of each pass that was found. */
  #passesInUse = 0;
  readonly #landings: Float64Array;
  /** Completed accesses that landed neither where they were expected nor anywhere that has a name. */
  #lost: number[] = [];

  /** @param batches as many as the queue holds, of {@link BATCH_LIMIT} accesses, to work with */
  constructor(
    machine: string,
    guest: X64Guest,
    frames: X64Frames,
    batches: readonly X64Batch[],
    probes: ProbeList,
  ) {
    this.#machine = machine;
    this.#guest = guest;
    this.#frames = frames;
    this.#batches = batches;
    const { active, installation } = guest;
    this.#levels = installation.levels;
    const others = installation.placements.filter((placement) => placement !== active);
    this.#placements = installation.live ? [active] : [active, ...others];
    this.#accesses = probes.accesses;
    this.#expected = probes.expectedFrames;
    this.#outcomes = new OutcomeList(probes.accesses.length);
    this.#passes = new Uint8Array(probes.accesses.length).fill(NOT_ASSIGNED);
    this.#landings = new Float64Array(Math.min(BATCH_LIMIT, probes.accesses.length));
  }

  async run(): Promise<Observations> {
    for (const [place, placement] of this.#placements.entries()) {
      for (const inImage of [false, true]) {
        const pass = { number: passNumber(place, inImage), inImage, groupSize: inImage ? 1 : GROUP_SIZE };
        // The first pass comes to know the passes of all accesses; most of the others are empty.
        if (pass.number > 0 && (this.#passesInUse & (1 << pass.number)) === 0) continue;
        const first = this.#firstOf(pass.number);
        if (first < 0) continue;
        await this.#moveTo(placement);
        await this.#runPass(pass, first);
      }
    }
    await this.#retryLost();
    if (this.#accesses.length >= LONG_LIST) this.#guest.rest();
    return {
      outcomes: this.#outcomes,
      remarks: this.#remarks,
      guestSeconds: this.#guest.clock.takeSeconds(),
    };
  }

  /** The first access of a pass, −1 if there is none. */
  #firstOf(pass: number): number {
    for (let index = 0; index < this.#passes.length; index++) if (this.#passOf(index) === pass) return index;
    return -1;
  }

  /** The pass of an access. It is found when it is first asked for, so that the guest can begin before all are known. */
  #passOf(index: number): number {
    const known = this.#passes[index] as number;
    if (known !== NOT_ASSIGNED) return known;
    const pass = this.#assign(index);
    this.#passes[index] = pass;
    if (pass !== NOT_MADE) this.#passesInUse |= 1 << pass;
    return pass;
  }

  /** The pass of an access: from which placement it is made, and whether it needs a slot of its own choice. */
  #assign(index: number): number {
    const placements = this.#placements;
    const high = this.#accesses.words[index * ACCESS_RECORD_WORDS + 1] as number;
    const slot = topLevelSlot(high, this.#levels);
    const frame = this.#expected[index] as number;
    let place = 0;
    while (place < placements.length && meets(placements[place] as Placement, slot, frame)) place++;
    if (place < placements.length) return passNumber(place, this.#frames.isImage(frame));
    this.#remarks.set(index, 'not made: it would meet the probe stub, which stays where it is');
    return NOT_MADE;
  }

  /**
   * Makes all accesses of a pass, from the first of them on. The guest has as many batches in its queue as it takes,
   * so that it is busy while the host reads results, or does something else before it comes to that.
   */
  async #runPass(pass: Pass, first: number): Promise<void> {
    const guest = this.#guest;
    const free = [...this.#batches];
    const queued: X64Batch[] = [];
    const finish = async () => {
      const batch = queued.shift() as X64Batch;
      this.#read(batch, await guest.finish(), pass.groupSize);
      free.push(batch);
    };
    for (let next = first; next >= 0; ) {
      if (guest.log.isLong) {
        while (queued.length > 0) await finish();
        guest.log.empty();
      }
      if (free.length === 0) await finish();
      const batch = free.shift() as X64Batch;
      next = this.#fill(batch, pass, next);
      this.#start(batch, pass.groupSize);
      queued.push(batch);
    }
    while (queued.length > 0) await finish();
    guest.log.checkEnd();
  }

  /** @returns the first index of the pass that did not fit, −1 if all did */
  #fill(batch: X64Batch, pass: Pass, from: number): number {
    batch.clear();
    const { length } = this.#passes;
    for (let index = from; index < length; index++) {
      if (this.#passOf(index) !== pass.number) continue;
      if (batch.full) return index;
      this.#add(batch, index, pass);
    }
    return -1;
  }

  #add(batch: X64Batch, index: number, { inImage, groupSize }: Pass): void {
    const frame = this.#expected[index] as number;
    if (!inImage) {
      const isRam = this.#frames.isRam(frame);
      if (isRam && frame >= 0) this.#frames.tag(frame);
      batch.add(this.#accesses, index, !isRam && groupSize === GROUP_SIZE);
      return;
    }
    const access = this.#accesses.access(index);
    const slot = this.#frames.imageSlot(frame, access);
    if (slot === undefined) {
      this.#remarks.set(index, 'not made: nothing in this page of the tables under test is safe to execute');
    } else {
      if (access === Access.Execute) this.#guest.noteExecution(frame);
      batch.addInSlot(this.#accesses, index, slot.slot);
    }
  }

  #start(batch: X64Batch, groupSize: number): void {
    this.#guest.start(batch.bytes, this.#guest.installation.markerFrame === undefined ? 0 : groupSize);
  }

  #read(batch: X64Batch, results: Uint32Array, groupSize: number): void {
    const { markerFrame } = this.#guest.installation;
    const landings = this.#landings;
    if (markerFrame === undefined) landings.fill(NOT_LOGGED);
    else readLandings(this.#machine, this.#guest.log, batch, groupSize, markerFrame, landings);
    decodeResults(
      this.#machine,
      batch,
      results,
      this.#accesses,
      this.#outcomes,
      this.#levels === 5 ? 7 : 16,
      (position, tagged) => {
        const logged = landings[position] as number;
        const frame = logged === NOT_LOGGED ? tagged : logged;
        const index = batch.order[position] as number;
        setCompleted(this.#accesses, this.#outcomes, index, frame);
        if (frame < 0) this.#resolveUnnamed(index, position, results);
      },
    );
  }

  /** An access completed; neither the log nor a tag says where. */
  #resolveUnnamed(index: number, position: number, results: Uint32Array): void {
    const frame = this.#expected[index] as number;
    const access = this.#accesses.access(index);
    if (!this.#frames.isImage(frame)) {
      this.#lost.push(index);
      return;
    }
    const unique = this.#frames.imageSlot(frame, access)?.unique;
    if (unique === undefined) {
      this.#remarks.set(
        index,
        'the page of the tables under test where it is expected has nothing to know it by',
      );
      return;
    }
    const [low, high] = [results[8 * position] as number, results[8 * position + 1] as number];
    if (sameEntry(low, high, ...unique)) setCompleted(this.#accesses, this.#outcomes, index, frame);
    else this.#lost.push(index);
  }

  /**
   * Lost accesses are made again from every placement, with all memory tagged but where the stub is; those that
   * are lost still have been led astray.
   */
  async #retryLost(): Promise<void> {
    if (this.#lost.length > 0) this.#guest.retire();
    for (const placement of this.#placements) {
      const lost = this.#lost;
      if (lost.length === 0 || lost.length > RETRY_LIMIT) break;
      await this.#moveTo(placement);
      if (!this.#frames.tagAll((frame) => this.#guest.isStubFrame(frame))) break;
      this.#lost = [];
      this.#passes.fill(NOT_MADE);
      for (const index of lost) {
        const high = this.#accesses.words[index * ACCESS_RECORD_WORDS + 1] as number;
        if (topLevelSlot(high, this.#levels) === this.#guest.active.slot) this.#lost.push(index);
        else this.#passes[index] = 0;
      }
      const first = this.#passes.indexOf(0);
      if (first >= 0) await this.#runPass({ number: 0, inImage: false, groupSize: 1 }, first);
    }
    for (const index of this.#lost) this.#markLost(index);
  }

  #markLost(index: number): void {
    const frame = this.#expected[index] as number;
    const wouldShow = frame >= 0 && (!this.#frames.isRam(frame) || this.#frames.isTagged(frame));
    if (this.#accesses.access(index) === Access.Execute || !wouldShow) {
      this.#remarks.set(index, 'completed in memory that nothing names');
      return;
    }
    this.#outcomes.known[index] = Known.Completion | Known.PhysicalAddress;
    this.#outcomes.physicalAddress[index] = -1;
    this.#remarks.set(index, 'completed elsewhere than expected, in memory that nothing names');
  }

  async #moveTo(placement: Placement): Promise<void> {
    if (placement === this.#guest.active) return;
    await this.#guest.moveTo(placement);
    this.#frames.forget(placement.region / FRAME_SIZE, STUB_FRAMES);
  }
}

/** The passes of a placement are one for accesses to ordinary memory, and one for those to frames of the image. */
function passNumber(place: number, inImage: boolean): number {
  return 2 * place + (inImage ? 1 : 0);
}

/** Whether a probe would meet the stub in this placement instead of what the tables under test say. */
function meets(placement: Placement, slot: number, frame: number): boolean {
  const first = placement.region / FRAME_SIZE;
  return slot === placement.slot || (frame >= first && frame < first + STUB_FRAMES);
}

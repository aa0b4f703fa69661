import { FRAME_SIZE } from '../../src/addresses.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { OutcomeList } from '../../src/outcome-list.ts';
import type { ListedLeaves } from '../listed-leaves.ts';
import type { LiveGuest } from '../live-guest.ts';
import {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type MachineOptions,
  type Observations,
  type ProbeList,
} from '../machine.ts';

/** One more instance pays when each has at least this many probes to make in all, … */
const PROBES_PER_INSTANCE = 250_000;
/** … and it takes part in a list if each gets this many of it. */
const PROBES_PER_SHARE = 1024;

/**
 * A machine of as many instances as pay for what `options` say is to come: `open` is called for each, with one
 * core to use. A single instance is returned as it is.
 * @throws whatever `open` throws
 */
export async function openSharded(
  options: MachineOptions,
  open: (options: MachineOptions) => Promise<Machine>,
): Promise<Machine> {
  const { expectedProbes = 0, cores = 1 } = options;
  const count = Math.max(1, Math.min(cores, Math.floor(expectedProbes / PROBES_PER_INSTANCE)));
  const openOne = () => open({ ...options, cores: 1 });
  const first = await openOne();
  if (count === 1) return first;
  const rest = await settleAll(Array.from({ length: count - 1 }, openOne));
  return new ShardedMachine([first, ...rest]);
}

/**
 * Instances of one machine side by side. Each has the image; a list of probes is cut into contiguous parts, one
 * for each instance, and what they answer becomes one answer again.
 */
export class ShardedMachine implements Machine {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly loadLive?: (image: GuestImage) => Promise<LiveGuest>;
  readonly listLeaves?: () => Promise<ListedLeaves>;
  readonly #instances: readonly [Machine, ...Machine[]];
  /** The instances that have the image. */
  #active: readonly Machine[] = [];
  /** The image's memory when it was loaded. */
  #before = new PhysicalMemory();

  /** @param instances of one machine, without an image */
  constructor(instances: readonly [Machine, ...Machine[]]) {
    const [first] = instances;
    this.name = first.name;
    this.capabilities = first.capabilities;
    this.#instances = instances;
    if (first.listLeaves !== undefined) this.listLeaves = first.listLeaves.bind(first);
    const loadLive = first.loadLive?.bind(first);
    if (loadLive !== undefined) {
      // Tables that change while they are probed are in one guest only.
      this.loadLive = async (image) => {
        await this.close();
        const live = await loadLive(image);
        this.#active = [first];
        return live;
      };
    }
  }

  async load(image: GuestImage): Promise<void> {
    await this.close();
    try {
      await settleAll(this.#instances.map((instance) => instance.load(image)));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#before = copyOf(image.memory);
    this.#active = this.#instances;
  }

  /**
   * Performs the accesses. Of Observations.guestSeconds the longest counts: the guests run at the same time.
   * @throws MachineError as the instances; all of them are closed then
   */
  async probe(probes: ProbeList): Promise<Observations> {
    const { length } = probes.accesses;
    this.#requireImage();
    const parts = Math.max(1, Math.min(this.#active.length, Math.floor(length / PROBES_PER_SHARE)));
    if (parts === 1) return await (this.#active[0] as Machine).probe(probes);
    const starts = Array.from({ length: parts + 1 }, (_, part) => Math.floor((part * length) / parts));
    try {
      const answers = await settleAll(
        this.#active
          .slice(0, parts)
          .map((instance, part) =>
            instance.probe(sliceOf(probes, starts[part] as number, starts[part + 1] as number)),
          ),
      );
      return joined(answers, length);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async readBack(): Promise<PhysicalMemory> {
    this.#requireImage();
    const [first, ...others] = await settleAll(this.#active.map((instance) => instance.readBack()));
    const merged = first as PhysicalMemory;
    for (const other of others) addChanges(this.#before, other, merged);
    return merged;
  }

  async close(): Promise<void> {
    this.#active = [];
    await settleAll(this.#instances.map((instance) => instance.close()));
  }

  #requireImage(): void {
    if (this.#active.length === 0) throw new MachineError(this.name, 'failed', 'no image is loaded');
  }
}

/** As Promise.all, but nothing is left running when it rejects. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

function sliceOf({ accesses, expectedFrames }: ProbeList, start: number, end: number): ProbeList {
  return { accesses: accesses.slice(start, end), expectedFrames: expectedFrames.subarray(start, end) };
}

/** Answers to consecutive parts of a list as one answer. */
function joined(answers: readonly Observations[], length: number): Observations {
  const outcomes = new OutcomeList(length);
  const remarks = new Map<number, string>();
  let start = 0;
  let guestSeconds = 0;
  for (const answer of answers) {
    outcomes.setFrom(answer.outcomes, start);
    for (const [index, remark] of answer.remarks) remarks.set(start + index, remark);
    start += answer.outcomes.length;
    guestSeconds = Math.max(guestSeconds, answer.guestSeconds);
  }
  return { outcomes, remarks, guestSeconds };
}

function copyOf(memory: PhysicalMemory): PhysicalMemory {
  const copy = new PhysicalMemory();
  for (const { firstFrame, words } of memory.ranges) {
    copy.addRange(BigInt(firstFrame) * BigInt(FRAME_SIZE), words.slice().buffer);
  }
  return copy;
}

/**
 * Adds what one guest changed to what others have: a bit that any of them changed has changed. All have the
 * same ranges.
 */
function addChanges(before: PhysicalMemory, after: PhysicalMemory, merged: PhysicalMemory): void {
  for (const { firstFrame, frameCount, words } of before.ranges) {
    const [there, into] = [after, merged].map((memory) => memory.rangeHolding(firstFrame, frameCount));
    if (there === undefined || into === undefined) {
      throw new RangeError(`the memory from frame ${firstFrame.toString(16)} on was not read back`);
    }
    const thereStart = (firstFrame - there.firstFrame) * (FRAME_SIZE / 4);
    const intoStart = (firstFrame - into.firstFrame) * (FRAME_SIZE / 4);
    for (let at = 0; at < words.length; at++) {
      const old = words[at] as number;
      const changed =
        ((there.words[thereStart + at] as number) ^ old) | ((into.words[intoStart + at] as number) ^ old);
      into.words[intoStart + at] = old ^ changed;
    }
  }
}

import { FRAME_SIZE, hex, WORDS_PER_FRAME, wordsToBigInt } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import { AccessedDirtyPrediction } from '../src/x64/walk-accessed-dirty.ts';
import type { ListedLeaves } from './listed-leaves.ts';
import type { GuestImage } from './machine.ts';
import type { PlanChunk } from './plan.ts';
import { compareListing, type ListingComparison } from './verdict-listing.ts';

/** An entry that is not as it should be after the probes. */
export interface TableFinding {
  /** The first virtual address that the entry translates if it is a leaf's, else the entry's own address. */
  readonly address: bigint;
  readonly what: string;
}

export interface TableComparison {
  /** Entries in which the accessed flag appeared. */
  readonly accessed: number;
  /** Entries in which the dirty flag appeared. */
  readonly dirty: number;
  readonly findings: readonly TableFinding[];
}

/**
 * What the probes of a plan may do to the tables. x64: the accessed and dirty flags, as predicted. AArch64:
 * nothing, as long as no machine is started with TCR.HA in force.
 */
export class TableExpectation {
  readonly #image: GuestImage;
  readonly #leaves: LeafList;
  readonly #flags: AccessedDirtyPrediction | undefined;

  constructor(image: GuestImage, leaves: LeafList) {
    this.#image = image;
    this.#leaves = leaves;
    this.#flags =
      image.registers.architecture === 'x64'
        ? new AccessedDirtyPrediction(image.memory, image.registers)
        : undefined;
  }

  add({ probes, predicted }: PlanChunk): void {
    this.#flags?.add(probes.accesses, predicted);
  }

  /**
   * Holds the tables as a machine left them against what was expected.
   * @param allMade whether every probe was made; if not, a flag that is not set proves nothing
   */
  compare(after: PhysicalMemory, allMade: boolean): TableComparison {
    const changes = changedEntries(this.#image.memory, after);
    const findings =
      this.#flags === undefined
        ? changes.map(({ entryAddress, before, now }) =>
            this.#finding(entryAddress, 'the machine changed it', before, now),
          )
        : this.#flags
            .compare(after)
            .filter(({ problem }) => allMade || !problem.endsWith('not set'))
            .map(({ entryAddress, problem, before, after: now }) =>
              this.#finding(Number(entryAddress), problem, before, now),
            );
    const appeared = (flag: number) =>
      changes.filter(({ before, now }) => (now & ~before & BigInt(flag)) !== 0n).length;
    return { accessed: appeared(EntryLow.Accessed), dirty: appeared(EntryLow.Dirty), findings };
  }

  /** Holds the leaves that a machine lists against those of the tables. */
  compareListing(listed: ListedLeaves): ListingComparison {
    return compareListing(this.#leaves, this.#image.memory, listed);
  }

  #finding(entryAddress: number, problem: string, before: bigint, after: bigint): TableFinding {
    const leaf = this.#leaves.entryAddress.indexOf(entryAddress);
    return {
      address: leaf < 0 ? BigInt(entryAddress) : BigInt(this.#leaves.pageNumber[leaf] as number) << 12n,
      what: `table entry at ${hex(entryAddress)}: ${problem} (${hex(before)} before, ${hex(after)} after)`,
    };
  }
}

interface ChangedEntry {
  readonly entryAddress: number;
  readonly before: bigint;
  readonly now: bigint;
}

function changedEntries(original: PhysicalMemory, after: PhysicalMemory): ChangedEntry[] {
  const changed: ChangedEntry[] = [];
  for (const { firstFrame, frameCount, words } of original.ranges) {
    const found = after.rangeHolding(firstFrame, frameCount);
    if (found === undefined)
      throw new RangeError(`the memory at ${hex(firstFrame * FRAME_SIZE)} was not read back`);
    const offset = (firstFrame - found.firstFrame) * WORDS_PER_FRAME;
    for (let at = 0; at < words.length; at += 2) {
      const [low, high] = [words[at] as number, words[at + 1] as number];
      const [lowNow, highNow] = [found.words[offset + at] as number, found.words[offset + at + 1] as number];
      if (low === lowNow && high === highNow) continue;
      changed.push({
        entryAddress: firstFrame * FRAME_SIZE + at * 4,
        before: wordsToBigInt(low, high),
        now: wordsToBigInt(lowNow, highNow),
      });
    }
  }
  return changed;
}

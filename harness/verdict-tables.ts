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
    const findings: TableFinding[] = [];
    let accessed = 0;
    let dirty = 0;
    forEachChange(this.#image.memory, after, (entryAddress, before, now) => {
      const appeared = now.low & ~before.low;
      if ((appeared & EntryLow.Accessed) !== 0) accessed++;
      if ((appeared & EntryLow.Dirty) !== 0) dirty++;
      if (this.#flags !== undefined) return;
      findings.push(
        this.#finding(entryAddress, 'the machine changed it', entryValue(before), entryValue(now)),
      );
    });
    for (const { entryAddress, problem, before, after: now } of this.#flags?.compare(after) ?? []) {
      if (!allMade && problem.endsWith('not set')) continue;
      findings.push(this.#finding(Number(entryAddress), problem, before, now));
    }
    return { accessed, dirty, findings };
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

/** An entry as two words. One object serves all calls: half a million entries may have changed. */
interface EntryWords {
  low: number;
  high: number;
}

function entryValue({ low, high }: EntryWords): bigint {
  return wordsToBigInt(low, high);
}

/** Calls back for each entry of the original's ranges that is another one afterwards. */
function forEachChange(
  original: PhysicalMemory,
  after: PhysicalMemory,
  take: (entryAddress: number, before: EntryWords, now: EntryWords) => void,
): void {
  const before: EntryWords = { low: 0, high: 0 };
  const now: EntryWords = { low: 0, high: 0 };
  for (const { firstFrame, frameCount, words } of original.ranges) {
    const found = after.rangeHolding(firstFrame, frameCount);
    if (found === undefined)
      throw new RangeError(`the memory at ${hex(firstFrame * FRAME_SIZE)} was not read back`);
    const offset = (firstFrame - found.firstFrame) * WORDS_PER_FRAME;
    for (let at = 0; at < words.length; at += 2) {
      before.low = words[at] as number;
      before.high = words[at + 1] as number;
      now.low = found.words[offset + at] as number;
      now.high = found.words[offset + at + 1] as number;
      if (before.low === now.low && before.high === now.high) continue;
      take(firstFrame * FRAME_SIZE + at * 4, before, now);
    }
  }
}

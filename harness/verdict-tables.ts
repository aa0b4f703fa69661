import { DescriptorLow } from '../src/aarch64/descriptor-bits.ts';
import { HardwareUpdatePrediction } from '../src/aarch64/walk-hardware-updates.ts';
import { FRAME_SIZE, hex, WORDS_PER_FRAME } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { Architecture } from '../src/registers.ts';
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

/** The accessed and the dirty flag among the bits 31:0 of an entry that changed. */
const CHANGED_FLAGS: Readonly<Record<Architecture, { readonly accessed: number; readonly dirty: number }>> = {
  x64: { accessed: EntryLow.Accessed, dirty: EntryLow.Dirty },
  /** AF, and AP[2] cleared or S2AP[1] set. */
  aarch64: { accessed: DescriptorLow.AccessFlag, dirty: DescriptorLow.ReadOnly },
};

/**
 * What the probes of a plan may do to the tables: the accessed and dirty flags, as predicted; on AArch64 only where
 * hardware keeps them (TCR.HA and HD).
 */
export class TableExpectation {
  readonly #image: GuestImage;
  readonly #leaves: LeafList;
  readonly #flags: AccessedDirtyPrediction | HardwareUpdatePrediction;

  constructor(image: GuestImage, leaves: LeafList) {
    this.#image = image;
    this.#leaves = leaves;
    const { memory, registers } = image;
    this.#flags =
      registers.architecture === 'x64'
        ? new AccessedDirtyPrediction(memory, registers)
        : new HardwareUpdatePrediction(memory, registers);
  }

  add({ probes, predicted }: PlanChunk): void {
    this.#flags.add(probes.accesses, predicted);
  }

  /**
   * Holds the tables as a machine left them against what was expected.
   * @param allMade whether every probe was made; if not, a flag that is not set proves nothing
   */
  compare(after: PhysicalMemory, allMade: boolean): TableComparison {
    const findings: TableFinding[] = [];
    let accessed = 0;
    let dirty = 0;
    const flags = CHANGED_FLAGS[this.#image.registers.architecture];
    forEachChange(this.#image.memory, after, (changed) => {
      if ((changed & flags.accessed) !== 0) accessed++;
      if ((changed & flags.dirty) !== 0) dirty++;
    });
    for (const { entryAddress, problem, before, after: now } of this.#flags.compare(after)) {
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

/** Calls back with the bits 31:0 that changed in each entry of the original's ranges that is another one afterwards. */
function forEachChange(
  original: PhysicalMemory,
  after: PhysicalMemory,
  take: (changedLow: number) => void,
): void {
  for (const { firstFrame, frameCount, words } of original.ranges) {
    const found = after.rangeHolding(firstFrame, frameCount);
    if (found === undefined)
      throw new RangeError(`the memory at ${hex(firstFrame * FRAME_SIZE)} was not read back`);
    const offset = (firstFrame - found.firstFrame) * WORDS_PER_FRAME;
    for (let at = 0; at < words.length; at += 2) {
      const changed = (words[at] as number) ^ (found.words[offset + at] as number);
      if (changed !== 0) take(changed);
    }
  }
}

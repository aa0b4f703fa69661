import { Access, type AccessList } from '../access-list.ts';
import { FRAME_SIZE, wordsToBigInt } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { OutcomeList } from '../outcome-list.ts';
import type { X64Registers } from '../registers.ts';
import { EntryLow } from './entry-bits.ts';
import { X64PageWalk } from './walk-page.ts';
import { decodeX64Paging } from './walk-paging.ts';
import { isCanonical } from './walk-predict.ts';

/** What accesses do to the accessed and dirty flags of an entry (SDM Vol. 3A §4.8). */
export const EntryMark = {
  /** An access that completes used the entry: the accessed flag is set afterwards. */
  Accessed: 1,
  /** A write that completes used the leaf: the dirty flag is set afterwards. */
  Dirty: 2,
  /** Only an access that faults used the entry: the processor may set the accessed flag. */
  MayBeAccessed: 4,
} as const;

/** How an entry's change contradicts the accesses that were made. */
export interface AccessedDirtyProblem {
  readonly entryAddress: bigint;
  readonly before: bigint;
  readonly after: bigint;
  readonly problem:
    | 'accessed flag not set'
    | 'dirty flag not set'
    | 'accessed flag set without a use'
    | 'dirty flag set without a write'
    | 'other bits changed';
}

/** The accessed and dirty flags that an x64 processor sets while it performs accesses. */
export class AccessedDirtyPrediction {
  readonly #memory: PhysicalMemory;
  readonly #walk: X64PageWalk;
  readonly #marks = new Map<number, Uint8Array>();

  /** @param memory the tables before the accesses. @throws RangeError as `createWalker` */
  constructor(memory: PhysicalMemory, registers: X64Registers) {
    this.#memory = memory;
    this.#walk = new X64PageWalk(memory, decodeX64Paging(registers));
  }

  /** {@link EntryMark}s of the 512 entries of every table that was used, by the table's frame. */
  get marks(): ReadonlyMap<number, Uint8Array> {
    return this.#marks;
  }

  /** Adds accesses and what becomes of them. May be called once for each batch. */
  add(accesses: AccessList, outcomes: OutcomeList): void {
    const walk = this.#walk;
    walk.forget();
    let lastEntry = -1;
    let lastMarks = 0;
    for (let i = 0; i < accesses.length; i++) {
      const high = accesses.words[4 * i + 1] as number;
      if (!isCanonical(walk.paging, high)) continue;
      walk.walk(accesses.words[4 * i] as number, high);
      const marks = marksOf(accesses.access(i), outcomes.fault[i] === 0);
      if (walk.entryAddress === lastEntry) {
        if ((marks & ~lastMarks) === 0) continue;
      } else {
        lastEntry = walk.entryAddress;
        lastMarks = 0;
      }
      lastMarks |= marks;
      this.#markPath(marks);
    }
  }

  /** Compares the tables after the accesses with those before; `after` has the same ranges. */
  compare(after: PhysicalMemory): AccessedDirtyProblem[] {
    const problems: AccessedDirtyProblem[] = [];
    for (const range of this.#memory.ranges) {
      for (let i = 0; i < range.frameCount; i++) {
        const frame = range.firstFrame + i;
        const before = this.#memory.frameWords(frame);
        const now = after.frameWords(frame);
        if (before === undefined || now === undefined) {
          throw new RangeError(`the memory after the accesses lacks frame ${frame.toString(16)}`);
        }
        compareFrame(frame, before, now, this.#marks.get(frame), problems);
      }
    }
    return problems;
  }

  #markPath(marks: number): void {
    const walk = this.#walk;
    const isLeaf = walk.end === EntryKind.Leaf;
    for (let level: number = walk.paging.levels; level >= walk.level; level--) {
      if (level === walk.level && !isLeaf) return;
      const kept = level === walk.level ? marks : marks & ~EntryMark.Dirty;
      const frame = walk.tableFrames[level] as number;
      let table = this.#marks.get(frame);
      if (table === undefined) {
        table = new Uint8Array(FRAME_SIZE / 8);
        this.#marks.set(frame, table);
      }
      const index = walk.indices[level] as number;
      table[index] = (table[index] as number) | kept;
    }
  }
}

function marksOf(access: Access, completes: boolean): number {
  if (!completes) return EntryMark.MayBeAccessed;
  return access === Access.Write ? EntryMark.Accessed | EntryMark.Dirty : EntryMark.Accessed;
}

function compareFrame(
  frame: number,
  before: Uint32Array,
  after: Uint32Array,
  marks: Uint8Array | undefined,
  problems: AccessedDirtyProblem[],
): void {
  for (let index = 0; index < FRAME_SIZE / 8; index++) {
    const at = 2 * index;
    const mark = marks?.[index] ?? 0;
    const low = before[at] as number;
    const high = before[at + 1] as number;
    const lowAfter = after[at] as number;
    const highAfter = after[at + 1] as number;
    if (mark === 0 && low === lowAfter && high === highAfter) continue;
    const problem = problemOf(mark, low, lowAfter, high !== highAfter);
    if (problem === undefined) continue;
    problems.push({
      entryAddress: BigInt(frame) * BigInt(FRAME_SIZE) + BigInt(8 * index),
      before: wordsToBigInt(low, high),
      after: wordsToBigInt(lowAfter, highAfter),
      problem,
    });
  }
}

function problemOf(
  mark: number,
  before: number,
  after: number,
  highDiffers: boolean,
): AccessedDirtyProblem['problem'] | undefined {
  const set = after & ~before;
  const otherBits = (before ^ after) & ~(set & (EntryLow.Accessed | EntryLow.Dirty));
  if (highDiffers || otherBits !== 0) return 'other bits changed';
  if ((mark & EntryMark.Accessed) !== 0 && (after & EntryLow.Accessed) === 0) return 'accessed flag not set';
  if ((mark & EntryMark.Dirty) !== 0 && (after & EntryLow.Dirty) === 0) return 'dirty flag not set';
  if (mark === 0 && (set & EntryLow.Accessed) !== 0) return 'accessed flag set without a use';
  if ((mark & EntryMark.Dirty) === 0 && (set & EntryLow.Dirty) !== 0) return 'dirty flag set without a write';
  return undefined;
}

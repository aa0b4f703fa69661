import { FRAME_SIZE, hex, WORDS_PER_FRAME, wordsToBigInt } from '../addresses.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { DescriptorLow } from './descriptor-bits.ts';
import type { TranslationStage } from './walk-stage.ts';

/** What accesses do to a leaf's descriptor where hardware keeps its state (FEAT_HAFDBS, Arm ARM D8.4.5). */
export const DescriptorMark = {
  /** An access was tried through it: its access flag may be set. */
  Used: 1,
  /** An access that completed used it: its access flag is set. */
  Accessed: 2,
  /** A write passed it, and DBM lets it become writable: it may be. */
  MayBeDirty: 4,
  /** So did a write that completed: it is writable. */
  Dirty: 8,
} as const;

/** How a descriptor contradicts the accesses that were made. */
export interface DescriptorProblem {
  readonly entryAddress: bigint;
  readonly before: bigint;
  readonly after: bigint;
  readonly problem:
    | 'accessed flag not set'
    | 'dirty state not set'
    | 'accessed flag set without a use'
    | 'dirty state set without a write'
    | 'other bits changed';
}

interface MarkedDescriptor {
  marks: number;
  /** See TranslationStage. */
  readonly writableBit: TranslationStage['writableBit'];
}

const UNUSED: MarkedDescriptor = { marks: 0, writableBit: 0 };

/** The {@link DescriptorMark}s of descriptors, by their physical addresses. */
export class DescriptorMarks {
  readonly #marked = new Map<number, MarkedDescriptor>();

  add(entryAddress: number, marks: number, { writableBit }: TranslationStage): void {
    const known = this.#marked.get(entryAddress);
    if (known === undefined) this.#marked.set(entryAddress, { marks, writableBit });
    else known.marks |= marks;
  }

  /** Compares tables before and after the accesses; `after` has the same ranges. */
  compare(before: PhysicalMemory, after: PhysicalMemory): DescriptorProblem[] {
    const problems: DescriptorProblem[] = [];
    const isMarked = this.#marked.size > 0;
    for (const { firstFrame, frameCount, words } of before.ranges) {
      const start = firstFrame * FRAME_SIZE;
      const found = after.rangeHolding(firstFrame, frameCount);
      if (found === undefined) throw new RangeError(`the memory after the accesses lacks ${hex(start)}`);
      const offset = (firstFrame - found.firstFrame) * WORDS_PER_FRAME;
      for (let at = 0; at < words.length; at += 2) {
        const [low, high] = [words[at] as number, words[at + 1] as number];
        const lowAfter = found.words[offset + at] as number;
        const highAfter = found.words[offset + at + 1] as number;
        const isSame = low === lowAfter && high === highAfter;
        if (isSame && !isMarked) continue;
        const entryAddress = start + at * 4;
        const marked = this.#marked.get(entryAddress);
        if (isSame && marked === undefined) continue;
        const problem =
          high === highAfter ? problemOf(marked ?? UNUSED, low, lowAfter) : 'other bits changed';
        if (problem === undefined) continue;
        problems.push({
          entryAddress: BigInt(entryAddress),
          before: wordsToBigInt(low, high),
          after: wordsToBigInt(lowAfter, highAfter),
          problem,
        });
      }
    }
    return problems;
  }
}

function problemOf(
  { marks, writableBit }: MarkedDescriptor,
  before: number,
  after: number,
): DescriptorProblem['problem'] | undefined {
  const changed = before ^ after;
  const isAccessed = (after & DescriptorLow.AccessFlag) !== 0;
  const isWritable = (after & DescriptorLow.ReadOnly) === writableBit;
  const accessFlagLost = (changed & DescriptorLow.AccessFlag) !== 0 && !isAccessed;
  const writableLost = (changed & DescriptorLow.ReadOnly) !== 0 && !isWritable;
  const others = changed & ~(DescriptorLow.AccessFlag | DescriptorLow.ReadOnly);
  if (others !== 0 || accessFlagLost || writableLost) return 'other bits changed';
  if ((marks & DescriptorMark.Accessed) !== 0 && !isAccessed) return 'accessed flag not set';
  if ((marks & DescriptorMark.Dirty) !== 0 && !isWritable) return 'dirty state not set';
  if (marks === 0 && (changed & DescriptorLow.AccessFlag) !== 0) return 'accessed flag set without a use';
  const mayBeDirty = (marks & (DescriptorMark.MayBeDirty | DescriptorMark.Dirty)) !== 0;
  if (!mayBeDirty && (changed & DescriptorLow.ReadOnly) !== 0) return 'dirty state set without a write';
  return undefined;
}

import { addressHigh, descriptorKind, leafFrame, tableFrame } from '../../src/aarch64/walk-descriptor.ts';
import { FirstStageOn } from '../../src/aarch64/walk-first-stage.ts';
import { FIRST_LEVEL, levelBits } from '../../src/aarch64/walk-granule.ts';
import { AArch64PageWalk } from '../../src/aarch64/walk-page.ts';
import { NO_FAULT, refusesBeforeWalk } from '../../src/aarch64/walk-predict.ts';
import { rangeOf, type WalkRange } from '../../src/aarch64/walk-stage.ts';
import { decodeStageOne, type StageOne } from '../../src/aarch64/walk-stage-one.ts';
import { decodeStageTwo } from '../../src/aarch64/walk-stage-two.ts';
import { IntermediateMemory, StageTwoWalk } from '../../src/aarch64/walk-stage-two-walk.ts';
import type { Access, Privilege } from '../../src/access-list.ts';
import { FRAME_SIZE, WORDS_PER_FRAME } from '../../src/addresses.ts';
import { EntryKind } from '../../src/entry-kind.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';

/** Intermediate physical addresses. */
export interface IntermediateRange {
  readonly start: number;
  readonly bytes: number;
}

const ENTRY_BYTES = 8;

/**
 * Where stage 1 leads: the intermediate addresses of its tables and of what they map. The stub wants to be where none
 * of them is. It serves this choice only, never an answer.
 */
export class IntermediateUses {
  readonly #stage: StageOne;
  readonly #memory: IntermediateMemory;
  readonly #first: FirstStageOn;
  #ranges: readonly IntermediateRange[] | undefined;

  /** @throws RangeError as `createWalker`, for registers with both stages on */
  constructor(memory: PhysicalMemory, registers: AArch64Registers) {
    this.#stage = decodeStageOne(registers);
    this.#memory = new IntermediateMemory(memory, new StageTwoWalk(memory, decodeStageTwo(registers)));
    this.#first = new FirstStageOn(this.#stage, new AArch64PageWalk(this.#memory, this.#stage));
  }

  /** Whether any table or page of stage 1 is there. */
  include(range: IntermediateRange): boolean {
    this.#ranges ??= this.#scan();
    return this.#ranges.some((used) => overlap(used, range));
  }

  /** Whether an access (to an address as two words) leads there: to a table, or past stage 1. */
  areMetBy(
    low: number,
    high: number,
    access: Access,
    privilege: Privilege,
    range: IntermediateRange,
  ): boolean {
    const walked = rangeOf(this.#stage.ranges, high);
    if (refusesBeforeWalk(walked, low, high, access, privilege)) return false;
    const status = this.#first.translate(low, high, access, privilege);
    const { walk, intermediateAddress } = this.#first;
    for (let level = walked.startLevel; level <= walk.level; level++) {
      const at =
        (walk.tableAddresses[level - FIRST_LEVEL] as number) +
        (walk.indices[level - FIRST_LEVEL] as number) * ENTRY_BYTES;
      if (overlap({ start: at, bytes: ENTRY_BYTES }, range)) return true;
    }
    return status === NO_FAULT && overlap({ start: intermediateAddress, bytes: 1 }, range);
  }

  /** Every table once for each level at which it is used, and what its leaves map. */
  #scan(): IntermediateRange[] {
    const uses: IntermediateRange[] = [];
    for (const range of this.#stage.ranges) {
      if (range.disabled || range.rootOutOfRange) continue;
      const visited = new Set<string>();
      const root = range.rootFrame * FRAME_SIZE + range.rootOffset;
      this.#scanTable(range, range.startLevel, root, range.rootEntries, visited, uses);
    }
    return uses;
  }

  #scanTable(
    range: WalkRange,
    level: number,
    table: number,
    entries: number,
    visited: Set<string>,
    uses: IntermediateRange[],
  ): void {
    const key = `${level} ${table}`;
    if (visited.has(key)) return;
    visited.add(key);
    addTo(uses, table, entries * ENTRY_BYTES);
    const { indexBits } = range.granule;
    const bytes = 2 ** levelBits(range.granule, level).shift;
    for (let index = 0; index < entries; index++) {
      const entry = this.#entryAt(table + index * ENTRY_BYTES);
      if (entry === undefined) continue;
      const address = addressHigh(range.layout, entry.low, entry.high);
      const kind = descriptorKind(range, level, entry.low, address);
      if (kind === EntryKind.Leaf) {
        addTo(uses, leafFrame(range, level, entry.low, address) * FRAME_SIZE, bytes);
      } else if (kind === EntryKind.Table) {
        const next = tableFrame(range, entry.low, address) * FRAME_SIZE;
        this.#scanTable(range, level + 1, next, 2 ** indexBits, visited, uses);
      }
    }
  }

  #entryAt(address: number): { readonly low: number; readonly high: number } | undefined {
    const frame = Math.floor(address / FRAME_SIZE);
    const range = this.#memory.rangeHolding(frame);
    if (range === undefined) return undefined;
    const at = (frame - range.firstFrame) * WORDS_PER_FRAME + (address % FRAME_SIZE) / 4;
    return { low: range.words[at] as number, high: range.words[at + 1] as number };
  }
}

/** Adds a range, to the last one where it goes on there. */
function addTo(uses: IntermediateRange[], start: number, bytes: number): void {
  const last = uses.at(-1);
  if (last !== undefined && last.start + last.bytes === start) {
    uses[uses.length - 1] = { start: last.start, bytes: last.bytes + bytes };
  } else {
    uses.push({ start, bytes });
  }
}

function overlap(one: IntermediateRange, two: IntermediateRange): boolean {
  return one.start < two.start + two.bytes && two.start < one.start + one.bytes;
}

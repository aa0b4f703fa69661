import { FRAME_SHIFT, FRAME_SIZE, WORDS_PER_FRAME } from '../addresses.ts';
import { fieldOf } from '../bit-field.ts';
import { EntryKind } from '../entry-kind.ts';
import type { MemoryRange } from '../memory/physical-memory.ts';
import type { WalkMemory } from '../walk-memory.ts';
import { DescriptorLow } from './descriptor-bits.ts';
import {
  addressHigh,
  descriptorKind,
  leafFrame,
  leafRestrictions,
  memoryTypeIndex,
  tableFrame,
  tableRestrictions,
} from './walk-descriptor.ts';
import { FIRST_LEVEL, LAST_LEVEL, type LevelBits, levelBits } from './walk-granule.ts';
import type { TranslationStage, WalkRange } from './walk-stage.ts';

/** Address bits 63:56 never tell two descriptors apart: they are checked, or ignored, before a walk. */
const BELOW_TAG = 0x00ff_ffff;

/**
 * The walk of Arm ARM D8.2 from the root to the descriptor that decides about an address. The result stands in
 * the fields, so that nothing is allocated per walk; it is kept and reused while addresses fall under the same
 * last descriptor, or under the same last-level table, until {@link forget}.
 */
export class AArch64PageWalk {
  readonly stage: TranslationStage;
  readonly memory: WalkMemory;

  /** What the last descriptor is: anything but a table. */
  end: EntryKind = EntryKind.Invalid;
  /** Level of the last descriptor. */
  level = 0;
  /** The last descriptor; meaningless where it is outside memory. */
  entryLow = 0;
  entryHigh = 0;
  /** `Restriction`s of all descriptors together. */
  restrictions = 0;
  /** First output address of the page or block as a double. */
  pageAddress = 0;
  /** Index of the leaf's memory type in the stage's `memoryTypes`. */
  memoryTypeIndex = 0;
  /** Address of the table and index used at each level; index: level − {@link FIRST_LEVEL}. */
  readonly tableAddresses = new Float64Array(LAST_LEVEL - FIRST_LEVEL + 1);
  readonly indices = new Uint32Array(LAST_LEVEL - FIRST_LEVEL + 1);

  /** Where the table lies to which the last descriptor leads. */
  #tableFrame = 0;
  #lastLow = 0;
  #lastHigh = 0;
  /** The range of the last walk, and how its last level cuts addresses. */
  #lastRange: WalkRange | undefined;
  #lastBits: LevelBits = { shift: 0, offsetLow: 0, offsetHigh: 0 };
  /** The last-level table that the last walk used: its words, the place of its first, its upper restrictions. */
  #pageWords: Uint32Array | undefined;
  #pageStart = 0;
  #pageIndexMask = 0;
  #pageRestrictions = 0;

  constructor(memory: WalkMemory, stage: TranslationStage) {
    this.memory = memory;
    this.stage = stage;
  }

  /** Drops what is remembered: call it when tables may have changed. */
  forget(): void {
    this.#lastRange = undefined;
    this.#pageWords = undefined;
  }

  /** Walks to an address of `range`, given as two words. */
  walk(range: WalkRange, low: number, high: number): void {
    const differsLow = low ^ this.#lastLow;
    const differsHigh = (high ^ this.#lastHigh) & BELOW_TAG;
    const known = this.#lastRange === range;
    if (known && isWithin(this.#lastBits, differsLow, differsHigh)) return;
    this.#lastLow = low;
    this.#lastHigh = high;
    this.#lastRange = range;
    const words = this.#pageWords;
    const { granule } = range;
    if (
      known &&
      words !== undefined &&
      isWithin(levelBits(granule, LAST_LEVEL - 1), differsLow, differsHigh)
    ) {
      const index = fieldOf(low, high, granule.pageShift, this.#pageIndexMask);
      this.indices[LAST_LEVEL - FIRST_LEVEL] = index;
      this.restrictions = this.#pageRestrictions;
      const at = this.#pageStart + index * 2;
      this.#take(range, words[at] as number, words[at + 1] as number);
      return;
    }
    this.#walkFromRoot(range, low, high);
    this.#lastBits = levelBits(granule, this.level);
  }

  /** Physical address of the last descriptor. */
  get entryAddress(): number {
    const level = this.level - FIRST_LEVEL;
    return (this.tableAddresses[level] as number) + (this.indices[level] as number) * 8;
  }

  /** Output address of an input address that the last walk translated. */
  physicalAddress(low: number, high: number): number {
    const { offsetLow, offsetHigh } = this.#lastBits;
    return this.pageAddress + (high & offsetHigh) * 0x1_0000_0000 + ((low & offsetLow) >>> 0);
  }

  /** Whether the leaf's access flag is clear and no hardware sets it. */
  get lacksAccessFlag(): boolean {
    return (this.entryLow & DescriptorLow.AccessFlag) === 0 && !this.stage.hardwareAccessFlag;
  }

  #walkFromRoot(range: WalkRange, low: number, high: number): void {
    const { granule } = range;
    let tableMask = range.rootEntries - 1;
    let frame = range.rootFrame;
    let offset = range.rootOffset;
    this.#pageWords = undefined;
    this.restrictions = 0;
    this.level = range.startLevel;
    for (;;) {
      const index = fieldOf(low, high, levelBits(granule, this.level).shift, tableMask);
      this.tableAddresses[this.level - FIRST_LEVEL] = frame * FRAME_SIZE + offset;
      this.indices[this.level - FIRST_LEVEL] = index;
      const byte = offset + index * 8;
      const entryFrame = frame + (byte >>> FRAME_SHIFT);
      const memory = this.memory.rangeHolding(entryFrame);
      if (memory === undefined) {
        this.end = EntryKind.Missing;
        return;
      }
      const start = (frame - memory.firstFrame) * WORDS_PER_FRAME + offset / 4;
      if (this.level === LAST_LEVEL && this.#isInOneRange(frame, offset, tableMask, memory)) {
        this.#pageWords = memory.words;
        this.#pageStart = start;
        this.#pageIndexMask = tableMask;
        this.#pageRestrictions = this.restrictions;
      }
      const at = start + index * 2;
      if (!this.#take(range, memory.words[at] as number, memory.words[at + 1] as number)) return;
      frame = this.#tableFrame;
      offset = 0;
      tableMask = (1 << granule.indexBits) - 1;
      this.level++;
    }
  }

  /** Whether all of a table is where `range` has one of its entries. */
  #isInOneRange(frame: number, offset: number, tableMask: number, range: MemoryRange): boolean {
    const bytes = offset + (tableMask + 1) * 8;
    if (bytes <= FRAME_SIZE) return true;
    return this.memory.rangeHolding(frame, bytes >>> FRAME_SHIFT) === range;
  }

  /** Decodes the descriptor at the current level. @returns whether it leads on to a table */
  #take(range: WalkRange, low: number, high: number): boolean {
    const { stage, level } = this;
    this.entryLow = low;
    this.entryHigh = high;
    const address = addressHigh(range.layout, low, high);
    const end = descriptorKind(range, level, low, address);
    this.end = end;
    if (end === EntryKind.Table) {
      if (range.hierarchical) this.restrictions |= tableRestrictions(high);
      this.#tableFrame = tableFrame(range, low, address);
      return true;
    }
    if (end === EntryKind.Leaf) {
      this.restrictions |= leafRestrictions(stage, low, high);
      this.pageAddress = leafFrame(range, level, low, address) * FRAME_SIZE;
      this.memoryTypeIndex = memoryTypeIndex(range, low);
    }
    return false;
  }
}

/** Whether two addresses with these differing bits fall under the same descriptor of a level. */
function isWithin(bits: LevelBits, differsLow: number, differsHigh: number): boolean {
  return ((differsLow & ~bits.offsetLow) | (differsHigh & ~bits.offsetHigh)) === 0;
}

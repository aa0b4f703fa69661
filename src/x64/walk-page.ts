import { FRAME_SIZE, frameOfEntry, WORDS_PER_FRAME } from '../addresses.ts';
import { fieldOf, highMask, lowMask } from '../bit-field.ts';
import { EntryKind } from '../entry-kind.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { EntryHigh, EntryLow, PROTECTION_KEY_SHIFT } from './entry-bits.ts';
import { entryKind, leafFrame } from './walk-entry.ts';
import { LEVEL_SHIFT, PT_LEVEL, type X64Paging } from './walk-paging.ts';
import { RightsIndex } from './walk-rights.ts';

const INDEX_MASK = 511;
const PAGE_OFFSET_MASK = LEVEL_SHIFT.map((shift) => lowMask(0, shift));
const SAME_ENTRY_LOW = LEVEL_SHIFT.map((shift) => lowMask(shift, 32));
const SAME_ENTRY_HIGH = LEVEL_SHIFT.map((shift) => highMask(shift, 64));

/**
 * The walk of Intel SDM Vol. 3A §4.5 from the root to the entry that decides about an address. The result
 * stands in the fields, so that nothing is allocated per walk; it is kept and reused while addresses fall under
 * the same last entry, or under the same page table, until {@link forget}.
 */
export class X64PageWalk {
  readonly paging: X64Paging;
  readonly memory: PhysicalMemory;

  /** What the last entry is: anything but a table. */
  end: EntryKind = EntryKind.Invalid;
  /** Level of the last entry. */
  level = 0;
  /** The last entry; meaningless where it is outside memory. */
  entryLow = 0;
  entryHigh = 0;
  /** {@link RightsIndex} of all entries together. */
  rights = 0;
  /** First address of the page as a double. */
  pageAddress = 0;
  /** Frame and index of the entry used at each level from {@link level} up to the root's. */
  readonly tableFrames = new Float64Array(6);
  readonly indices = new Uint16Array(6);

  #lastLow = 0;
  #lastHigh = 0;
  #valid = false;
  /** The page table that the last walk to PT level used: its words, the place of its first, its upper rights. */
  #ptWords: Uint32Array | undefined;
  #ptStart = 0;
  #ptRights = 0;

  constructor(memory: PhysicalMemory, paging: X64Paging) {
    this.memory = memory;
    this.paging = paging;
  }

  /** Drops what is remembered: call it when tables may have changed. */
  forget(): void {
    this.#valid = false;
    this.#ptWords = undefined;
  }

  /** Walks to the canonical address given as two words. */
  walk(low: number, high: number): void {
    const differsLow = low ^ this.#lastLow;
    const differsHigh = high ^ this.#lastHigh;
    if (
      this.#valid &&
      ((differsLow & (SAME_ENTRY_LOW[this.level] as number)) |
        (differsHigh & (SAME_ENTRY_HIGH[this.level] as number))) ===
        0
    ) {
      return;
    }
    const sameTable = ((differsLow & (SAME_ENTRY_LOW[PT_LEVEL + 1] as number)) | differsHigh) === 0;
    this.#lastLow = low;
    this.#lastHigh = high;
    this.#valid = true;
    const words = this.#ptWords;
    if (sameTable && words !== undefined) {
      const index = (low >>> 12) & INDEX_MASK;
      const at = this.#ptStart + index * 2;
      this.indices[PT_LEVEL] = index;
      this.level = PT_LEVEL;
      this.rights = this.#ptRights;
      this.#take(words[at] as number, words[at + 1] as number);
      return;
    }
    this.#walkFromRoot(low, high);
  }

  /** Physical address of the last entry. */
  get entryAddress(): number {
    return (this.tableFrames[this.level] as number) * FRAME_SIZE + (this.indices[this.level] as number) * 8;
  }

  /** Physical address of an address that the last walk translated. */
  physicalAddress(low: number): number {
    return this.pageAddress + ((low & (PAGE_OFFSET_MASK[this.level] as number)) >>> 0);
  }

  /** The memory type that the leaf's PAT index selects (§4.9.2). */
  get memoryType(): number {
    const pat = this.level === PT_LEVEL ? EntryLow.PatOfPage : EntryLow.PatOfLargePage;
    const index = ((this.entryLow >>> 3) & 3) | ((this.entryLow & pat) !== 0 ? 4 : 0);
    return this.paging.memoryTypes[index] as number;
  }

  /** The leaf's protection key. */
  get protectionKey(): number {
    return (this.entryHigh & EntryHigh.ProtectionKey) >>> PROTECTION_KEY_SHIFT;
  }

  #walkFromRoot(low: number, high: number): void {
    this.#ptWords = undefined;
    let frame = this.paging.rootFrame;
    this.rights = RightsIndex.Writable | RightsIndex.User;
    this.level = this.paging.levels;
    for (;;) {
      const index = fieldOf(low, high, LEVEL_SHIFT[this.level] as number, INDEX_MASK);
      this.tableFrames[this.level] = frame;
      this.indices[this.level] = index;
      const range = this.memory.rangeHolding(frame);
      if (range === undefined) {
        this.end = EntryKind.Missing;
        return;
      }
      const start = (frame - range.firstFrame) * WORDS_PER_FRAME;
      if (this.level === PT_LEVEL) {
        this.#ptWords = range.words;
        this.#ptStart = start;
        this.#ptRights = this.rights;
      }
      const at = start + index * 2;
      const isTable = this.#take(range.words[at] as number, range.words[at + 1] as number);
      if (!isTable) return;
      frame = frameOfEntry(this.entryLow, this.entryHigh);
      this.level--;
    }
  }

  /** Decodes the entry at the current level. @returns whether it leads on to a table */
  #take(low: number, high: number): boolean {
    this.entryLow = low;
    this.entryHigh = high;
    this.end = entryKind(this.paging, this.level, low, high);
    if (this.end > EntryKind.Table) return false;
    this.rights =
      (this.rights & ((low >>> 1) | RightsIndex.ExecuteDisable)) |
      ((high >>> 31) * RightsIndex.ExecuteDisable);
    if (this.end === EntryKind.Table) return true;
    this.pageAddress = leafFrame(this.level, low, high) * FRAME_SIZE;
    return false;
  }
}

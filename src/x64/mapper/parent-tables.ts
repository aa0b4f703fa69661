import { addressOfPage, frameOfEntry, hex } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { UndoJournal } from '../../memory/undo-journal.ts';
import { EntryHigh, EntryLow } from '../entry-bits.ts';
import type { FrameAllocator } from './frame-allocator.ts';
import type { Size4KiB } from './page-size.ts';
import {
  flagsToBits,
  highWordOfFlags,
  lowWordOfFlags,
  type PageTableFlagBits,
  PageTableFlags,
} from './page-table-flags.ts';
import type { PhysFrame } from './phys-frame.ts';
import type { TableTree } from './table-tree.ts';

/** Words of one entry. */
const ENTRY_WORDS = 2;

/**
 * The tables above a leaf: creates those that are missing and gives parent entries the flags that they need. What
 * an operation does here can be taken back as long as it is neither committed nor rolled back.
 */
export class ParentTables {
  readonly #tree: TableTree;
  readonly #journal = new UndoJournal();
  readonly #taken: PhysFrame<Size4KiB>[] = [];
  /** Frames of failed operations whose allocator does not take them back. */
  readonly #spare: PhysFrame<Size4KiB>[] = [];
  /** Flags that every new parent entry gets besides those asked for. */
  readonly #alwaysSet: PageTableFlagBits;
  /** Frames of all tables, found when the first frame is needed. */
  #tableFrames: Set<number> | undefined;

  constructor(tree: TableTree, alwaysSet: PageTableFlagBits) {
    this.#tree = tree;
    this.#alwaysSet = alwaysSet;
  }

  /**
   * Leads the tree to the entry of `page` in the table of `level`. Existing parent entries get `flags` added.
   * @throws PageTableError FrameAllocationFailed, ParentEntryHugePage, InvalidFlags (flags that make no table entry),
   *   FrameInUse (the allocator gave a frame that holds a table)
   */
  ensure(page: number, level: number, flags: PageTableFlagBits, allocator: FrameAllocator): void {
    const tree = this.#tree;
    let frame = tree.rootFrame;
    for (let at: number = tree.levels; at > level; at--) {
      tree.entryAt(frame, page, at);
      frame = this.#next(flags, allocator);
    }
    tree.entryAt(frame, page, level);
  }

  /** The operation has succeeded. */
  commit(): void {
    for (let frame = this.#taken.pop(); frame !== undefined; frame = this.#taken.pop()) {
      this.#tableFrames?.add(frame);
    }
    this.#journal.commit();
  }

  /** Takes everything back since the last commit; the frames go back to the allocator, the latest first. */
  rollback(allocator: FrameAllocator): void {
    this.#journal.rollback();
    for (let frame = this.#taken.pop(); frame !== undefined; frame = this.#taken.pop()) {
      this.#tree.zero(frame);
      if (allocator.deallocateFrame === undefined) this.#spare.push(frame);
      else allocator.deallocateFrame(frame);
    }
  }

  /** A table was freed: its frame may be handed out again. */
  forget(frame: number): void {
    this.#tableFrames?.delete(frame);
  }

  /** The frame that the entry under the tree's cursor leads to, created if the entry is unused. */
  #next(flags: PageTableFlagBits, allocator: FrameAllocator): number {
    const tree = this.#tree;
    const { words, index, level } = tree;
    const low = words[index] as number;
    const high = words[index + 1] as number;
    if ((low | high) === 0) return this.#create(flags, allocator);
    const wanted = flags & ~(lowWordOfFlags(low) | ((high & ~EntryHigh.Address) >>> 8));
    if (wanted !== 0) {
      this.#journal.save(words, index, ENTRY_WORDS);
      words[index] = low | lowWordOfFlags(flags);
      words[index + 1] = high | highWordOfFlags(flags);
    }
    const entry = words[index] as number;
    if ((entry & EntryLow.Present) === 0) throw notATableEntry(flags, level);
    if ((entry & EntryLow.PageSize) !== 0) {
      throw new PageTableError(
        'ParentEntryHugePage',
        `the level ${level} entry above the page maps a huge page`,
      );
    }
    return frameOfEntry(entry, high);
  }

  #create(flags: PageTableFlagBits, allocator: FrameAllocator): number {
    const { words, index, level } = this.#tree;
    const frame = this.#take(allocator);
    const all = flags | this.#alwaysSet;
    if ((all & PageTableFlags.HugePage) !== 0 || (all & PageTableFlags.Present) === 0) {
      throw notATableEntry(all, level);
    }
    this.#journal.save(words, index, ENTRY_WORDS);
    // Zeroed before it is linked: the processor may walk live tables at any time.
    this.#tree.zero(frame);
    words[index] = ((frame << 12) | lowWordOfFlags(all)) >>> 0;
    words[index + 1] = Math.floor(frame / 0x10_0000) | highWordOfFlags(all);
    return frame;
  }

  #take(allocator: FrameAllocator): PhysFrame<Size4KiB> {
    const frame = this.#spare.pop() ?? allocator.allocateFrame();
    if (frame === undefined) {
      throw new PageTableError('FrameAllocationFailed', 'the allocator has no frame left for a table');
    }
    this.#tableFrames ??= framesOfTables(this.#tree);
    if (this.#tableFrames.has(frame) || this.#taken.includes(frame)) {
      const address = addressOfPage(frame);
      throw new PageTableError(
        'FrameInUse',
        `the allocator gave ${hex(address)}, which holds a table of this tree`,
        {
          address,
        },
      );
    }
    this.#tree.locate(frame);
    this.#taken.push(frame);
    return frame;
  }
}

function notATableEntry(flags: PageTableFlagBits, level: number): PageTableError {
  const bits = flagsToBits(flags);
  return new PageTableError(
    'InvalidFlags',
    `an entry of level ${level} with flags ${hex(bits)} leads to no table: it needs PRESENT and no HUGE_PAGE`,
    { bits },
  );
}

/** Every frame that a present entry without PS leads to, and the root. */
function framesOfTables(tree: TableTree): Set<number> {
  const frames = new Set([tree.rootFrame]);
  const visit = (frame: number, level: number): void => {
    for (let entry = 0; entry < 512; entry++) {
      const index = tree.locate(frame) + entry * ENTRY_WORDS;
      const low = tree.words[index] as number;
      if ((low & (EntryLow.Present | EntryLow.PageSize)) !== EntryLow.Present) continue;
      const next = frameOfEntry(low, tree.words[index + 1] as number);
      if (frames.has(next)) continue;
      frames.add(next);
      if (level > 2) visit(next, level - 1);
    }
  };
  visit(tree.rootFrame, tree.levels);
  return frames;
}

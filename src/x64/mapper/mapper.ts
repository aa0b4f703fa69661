import { addressOfPage, frameOfEntry, hex } from '../../addresses.ts';
import { PageTableError, type PageTableErrorCode } from '../../errors.ts';
import { NO_ENTRY } from '../../memory/page-walk.ts';
import { EntryHigh, EntryLow } from '../entry-bits.ts';
import type { FrameAllocator } from './frame-allocator.ts';
import type { LeafTables } from './leaf-tables.ts';
import type { MapperContext } from './mapper-context.ts';
import { MapperFlush, MapperFlushAll } from './mapper-flush.ts';
import type { Page } from './page.ts';
import type { PageSize } from './page-size.ts';
import {
  flagsToBits,
  highWordOfFlags,
  lowWordOfFlags,
  type PageTableFlagBits,
  PageTableFlags,
} from './page-table-flags.ts';
import type { PhysFrame } from './phys-frame.ts';
import { Find } from './table-tree.ts';
import { notCanonical } from './virt-addr.ts';

const { Present, Writable, UserAccessible, HugePage } = PageTableFlags;
/** Flags of a leaf that its parents need as well. */
const PARENT_FLAGS = Present | Writable | UserAccessible;
const PRESENT_OR_HUGE = Present | HugePage;

/** Names of this module, which V8 resolves once; what is imported is loaded and checked in each call. */
const NOTHING = NO_ENTRY;
const { floor } = Math;
const Flush = MapperFlush;
const frameOf = frameOfEntry;
const lowWord = lowWordOfFlags;
const highWord = highWordOfFlags;
const ADDRESS_LOW = EntryLow.Address | 0;
const ADDRESS_HIGH = EntryHigh.Address | 0;

/** What `unmap` gives back. */
export interface Unmapped<S extends PageSize> {
  readonly frame: PhysFrame<S>;
  readonly flush: MapperFlush<S>;
}

/** Maps, unmaps and changes pages of one size, as the trait `Mapper<S>` of the x86_64 crate. */
export class Mapper<S extends PageSize> {
  readonly #context: MapperContext;
  /** The size of its pages. */
  readonly size: S;
  /** Flag that a leaf of this size must have. */
  readonly #leafFlag: PageTableFlagBits = 0;
  readonly #frames: number = 0;
  readonly #level: number = 0;
  readonly #leaves: LeafTables;
  readonly #frameEnd: number = 0;
  /** First page behind the lower half. */
  readonly #lowerHalfEnd: number = 0;

  constructor(context: MapperContext, size: S) {
    this.#context = context;
    this.size = size;
    this.#leafFlag = size.level === 1 ? 0 : HugePage;
    this.#frames = size.frames;
    this.#level = size.level;
    this.#leaves = context.tree.leaves;
    this.#frameEnd = context.frameEnd;
    this.#lowerHalfEnd = 2 ** (9 * context.tree.levels - 1);
  }

  /**
   * Maps a page to a frame. Parents get those of PRESENT, WRITABLE and USER_ACCESSIBLE that `flags` has.
   * @throws PageTableError PageAlreadyMapped (`frame` asked for, `mappedFrame` there), ParentEntryHugePage,
   *   FrameAllocationFailed, InvalidFlags, VirtAddrNotValid, PageNotAligned, PhysAddrNotValid, FrameNotAligned
   */
  mapTo(
    page: Page<S>,
    frame: PhysFrame<S>,
    flags: PageTableFlagBits,
    allocator: FrameAllocator,
  ): MapperFlush<S> {
    const leaves = this.#leaves;
    const isPlain =
      this.#level === 1 &&
      (flags & PRESENT_OR_HUGE) === Present &&
      frame >= 0 &&
      frame < this.#frameEnd &&
      floor(frame) === frame;
    const at = isPlain ? leaves.entryOfPage(page) : NOTHING;
    const { words } = leaves;
    const needed = flags & PARENT_FLAGS & ~leaves.commonLow;
    if (at >= 0 && needed === 0 && ((words[at] as number) | (words[at | 1] as number)) === 0) {
      words[at] = (frame << 12) | lowWord(flags);
      words[at | 1] = ((frame * 2 ** -20) & ADDRESS_HIGH) | highWord(flags);
    } else {
      this.#mapSlowly(page, frame, flags, flags & PARENT_FLAGS, allocator);
    }
    return new Flush(page, 'mapTo', this.#context.ledger);
  }

  /** As {@link mapTo}, with the flags that parents get: set in new ones, added to existing ones. */
  mapToWithTableFlags(
    page: Page<S>,
    frame: PhysFrame<S>,
    flags: PageTableFlagBits,
    parentFlags: PageTableFlagBits,
    allocator: FrameAllocator,
  ): MapperFlush<S> {
    this.#mapSlowly(page, frame, flags, parentFlags, allocator);
    return new Flush(page, 'mapToWithTableFlags', this.#context.ledger);
  }

  /** Maps the page at a frame's own address to it. @throws PageTableError as {@link mapTo} */
  identityMap(frame: PhysFrame<S>, flags: PageTableFlagBits, allocator: FrameAllocator): MapperFlush<S> {
    const page = frame as number as Page<S>;
    this.#mapSlowly(page, frame, flags, flags & PARENT_FLAGS, allocator);
    return new Flush(page, 'identityMap', this.#context.ledger);
  }

  /**
   * Removes a page's mapping.
   * @throws PageTableError PageNotMapped, ParentEntryHugePage, InvalidFrameAddress (`addr`: the entry's address is not
   *   aligned to the page's size)
   */
  unmap(page: Page<S>): Unmapped<S> {
    const { ledger } = this.#context;
    const leaves = this.#leaves;
    const at = this.#level === 1 ? leaves.entryOfPage(page) : NOTHING;
    const { words } = leaves;
    let frame: number;
    if (at >= 0 && ((words[at] as number) & PRESENT_OR_HUGE) === Present) {
      frame = frameOf(words[at] as number, words[at | 1] as number);
      words[at] = 0;
      words[at | 1] = 0;
    } else {
      frame = this.#unmapSlowly(page);
    }
    // One place where the result is made, so that the compiler can do without it.
    return { frame: frame as PhysFrame<S>, flush: new Flush(page, 'unmap', ledger) };
  }

  #unmapSlowly(page: Page<S>): PhysFrame<S> {
    const { words, index } = this.#leaf(page);
    const low = words[index] as number;
    if ((low & Present) === 0) throw this.#fail('PageNotMapped', page, 'is not mapped');
    if ((low & EntryLow.PageSize) !== this.#leafFlag) {
      throw this.#fail('ParentEntryHugePage', page, `is not mapped by a ${this.size.name} entry`);
    }
    const frame = this.#frameOf(low, words[index + 1] as number);
    words[index] = 0;
    words[index + 1] = 0;
    return frame;
  }

  /**
   * Replaces the flags of a mapped page.
   * @throws PageTableError PageNotMapped, ParentEntryHugePage
   */
  updateFlags(page: Page<S>, flags: PageTableFlagBits): MapperFlush<S> {
    const { ledger } = this.#context;
    const leaves = this.#leaves;
    const at = this.#level === 1 ? leaves.entryOfPage(page) : NOTHING;
    const { words } = leaves;
    if (at >= 0 && ((words[at] as number) | (words[at | 1] as number)) !== 0) {
      words[at] = ((words[at] as number) & ADDRESS_LOW) | lowWord(flags);
      words[at | 1] = ((words[at | 1] as number) & ADDRESS_HIGH) | highWord(flags);
    } else {
      this.#updateSlowly(page, flags);
    }
    return new Flush(page, 'updateFlags', ledger);
  }

  #updateSlowly(page: Page<S>, flags: PageTableFlagBits): void {
    const { words, index } = this.#leaf(page);
    const low = words[index] as number;
    if (this.#context.atomic && this.#level > 1 && (low & (Present | HugePage)) === Present) {
      throw this.#fail('PageNotMapped', page, 'is not mapped as one page: its entry leads to a table');
    }
    this.#setFlags(page, flags | this.#leafFlag);
  }

  /** Replaces the flags of the level 4 entry above a page. @throws PageTableError PageNotMapped */
  setFlagsP4Entry(page: Page<S>, flags: PageTableFlagBits): MapperFlushAll {
    return this.#setParentFlags(page, 4, flags, 'setFlagsP4Entry');
  }

  /** Replaces the flags of the level 3 entry above a page. @throws PageTableError PageNotMapped, ParentEntryHugePage */
  setFlagsP3Entry(page: Page<S>, flags: PageTableFlagBits): MapperFlushAll {
    return this.#setParentFlags(page, 3, flags, 'setFlagsP3Entry');
  }

  /** Replaces the flags of the level 2 entry above a page. @throws PageTableError PageNotMapped, ParentEntryHugePage */
  setFlagsP2Entry(page: Page<S>, flags: PageTableFlagBits): MapperFlushAll {
    return this.#setParentFlags(page, 2, flags, 'setFlagsP2Entry');
  }

  /**
   * The frame that a page is mapped to.
   * @throws PageTableError PageNotMapped, ParentEntryHugePage, InvalidFrameAddress
   */
  translatePage(page: Page<S>): PhysFrame<S> {
    const { words, index } = this.#leaf(page);
    const low = words[index] as number;
    if ((low & Present) === 0) throw this.#fail('PageNotMapped', page, 'is not mapped');
    return this.#frameOf(low, words[index + 1] as number);
  }

  /**
   * Pages of all sizes, with parents to create or to widen, and whatever is wrong: the only way on which something must
   * be taken back.
   */
  #mapSlowly(
    page: Page<S>,
    frame: PhysFrame<S>,
    flags: PageTableFlagBits,
    parentFlags: PageTableFlagBits,
    allocator: FrameAllocator,
  ): void {
    const { parents, atomic } = this.#context;
    this.#checkPage(page);
    this.#checkFrame(frame);
    try {
      parents.ensure(page, this.#level, parentFlags, allocator);
      this.#setLeaf(page, frame, flags);
    } catch (error) {
      if (atomic) parents.rollback(allocator);
      else parents.commit();
      throw error;
    }
    parents.commit();
  }

  /** Writes the leaf under the tree's cursor, which must be unused. */
  #setLeaf(page: Page<S>, frame: PhysFrame<S>, flags: PageTableFlagBits): void {
    const { words, index } = this.#context.tree;
    const low = words[index] as number;
    const high = words[index + 1] as number;
    if ((low | high) !== 0) {
      const mappedFrame = addressOfPage(frameOfEntry(low, high));
      throw new PageTableError('PageAlreadyMapped', `the entry of ${this.#describe(page)} is in use`, {
        frame: addressOfPage(frame),
        mappedFrame,
      });
    }
    if (
      (this.#level === 1 && (flags & HugePage) !== 0) ||
      (this.#context.atomic && (flags & Present) === 0)
    ) {
      const bits = flagsToBits(flags);
      throw new PageTableError(
        'InvalidFlags',
        `${this.#describe(page)} cannot be mapped with flags ${hex(bits)}`,
        {
          bits,
        },
      );
    }
    words[index] = ((frame << 12) | lowWordOfFlags(flags) | this.#leafFlag) >>> 0;
    words[index + 1] = Math.floor(frame / 0x10_0000) | highWordOfFlags(flags);
  }

  #setParentFlags(page: Page<S>, level: number, flags: PageTableFlagBits, call: string): MapperFlushAll {
    if (level <= this.#level) {
      throw this.#fail('ParentEntryHugePage', page, `has no parent entry at level ${level}`);
    }
    this.#checkPage(page);
    this.#find(page, level);
    this.#setFlags(page, flags);
    return new MapperFlushAll(call, this.#context.ledger);
  }

  /** Replaces the flags of the entry under the tree's cursor; the address stays. */
  #setFlags(page: Page<S>, flags: PageTableFlagBits): void {
    const { words, index } = this.#context.tree;
    const low = words[index] as number;
    const high = words[index + 1] as number;
    if ((low | high) === 0) throw this.#fail('PageNotMapped', page, 'is not mapped');
    words[index] = (low & ADDRESS_LOW) | lowWordOfFlags(flags);
    words[index + 1] = (high & ADDRESS_HIGH) | highWordOfFlags(flags);
  }

  /** Leads the tree's cursor to the leaf entry of a page. */
  #leaf(page: Page<S>): { readonly words: Uint32Array; readonly index: number } {
    this.#checkPage(page);
    this.#find(page, this.#level);
    return this.#context.tree;
  }

  #find(page: Page<S>, level: number): void {
    const { tree } = this.#context;
    const found = tree.find(page, level);
    if (found === Find.NotPresent) {
      throw this.#fail('PageNotMapped', page, `is not mapped: the level ${tree.level} entry is not present`);
    }
    if (found === Find.HugePage) {
      throw this.#fail('ParentEntryHugePage', page, `lies under a huge page at level ${tree.level}`);
    }
  }

  /**
   * The frame in a leaf of this size. Bit 12 of a large page is PAT, not address (SDM Vol. 3A table 4-17).
   * @throws PageTableError InvalidFrameAddress
   */
  #frameOf(low: number, high: number): PhysFrame<S> {
    let frame = frameOfEntry(low, high);
    if (this.#level > 1 && (low & EntryLow.PageSize) !== 0 && (low & EntryLow.PatOfLargePage) !== 0)
      frame -= 1;
    if (frame % this.#frames !== 0) {
      const addr = addressOfPage(frameOfEntry(low, high));
      throw new PageTableError('InvalidFrameAddress', `no ${this.size.name} frame starts at ${hex(addr)}`, {
        addr,
      });
    }
    return frame as PhysFrame<S>;
  }

  /** Types keep pages right; plain JavaScript does not. */
  #checkPage(page: number): void {
    const half = this.#lowerHalfEnd;
    if (!(page >= 0 && (page < half || (page >= 2 ** 52 - half && page < 2 ** 52)))) {
      if (!Number.isSafeInteger(page) || page < 0) throw new RangeError(`${page} is not a page number`);
      throw notCanonical(BigInt.asUintN(64, addressOfPage(page)), half === 2 ** 35 ? 48 : 57);
    }
    if (page % this.#frames !== 0) {
      throw this.#misaligned('PageNotAligned', page, 'page');
    }
  }

  #checkFrame(frame: number): void {
    if (!(frame >= 0 && frame < this.#context.frameEnd)) {
      if (!Number.isSafeInteger(frame) || frame < 0) throw new RangeError(`${frame} is not a frame number`);
      const address = addressOfPage(frame);
      throw new PageTableError('PhysAddrNotValid', `${hex(address)} lies beyond the physical address width`, {
        address,
      });
    }
    if (frame % this.#frames !== 0) throw this.#misaligned('FrameNotAligned', frame, 'frame');
  }

  #misaligned(code: PageTableErrorCode, number: number, what: string): Error {
    if (!Number.isInteger(number)) return new RangeError(`${number} is not a ${what} number`);
    const address = addressOfPage(number);
    return new PageTableError(code, `${hex(address)} is not the start of a ${this.size.name} ${what}`, {
      address,
    });
  }

  #describe(page: number): string {
    return `the ${this.size.name} page at ${hex(addressOfPage(page))}`;
  }

  #fail(code: PageTableErrorCode, page: number, what: string): PageTableError {
    return new PageTableError(code, `${this.#describe(page)} ${what}`);
  }
}

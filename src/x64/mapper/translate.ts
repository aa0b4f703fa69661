import { type Address, addressOfPage, FRAME_SIZE, frameOfEntry, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { EntryLow } from '../entry-bits.ts';
import { Page } from './page.ts';
import { type PageSize, pageSizeOfLevel, Size4KiB } from './page-size.ts';
import { flagsOfWords, type PageTableFlagBits, PageTableFlags } from './page-table-flags.ts';
import type { PhysAddr } from './phys-addr.ts';
import type { PhysFrame } from './phys-frame.ts';
import { Find, type TableTree } from './table-tree.ts';

/** What a virtual address is mapped to, as `TranslateResult` of the x86_64 crate. */
export type TranslateResult =
  | {
      readonly kind: 'mapped';
      readonly size: PageSize;
      readonly frame: PhysFrame<PageSize>;
      /** Bytes from the start of the frame. */
      readonly offset: number;
      /** Flags of the leaf. */
      readonly flags: PageTableFlagBits;
      /**
       * The leaf's flags as the processor combines them over all levels (SDM Vol. 3A §4.6.1): WRITABLE and
       * USER_ACCESSIBLE only if every level has them, NO_EXECUTE if any has it.
       */
      readonly effectiveFlags: PageTableFlagBits;
    }
  | { readonly kind: 'not-mapped' };

const { Writable, UserAccessible, NoExecute } = PageTableFlags;
/** Names of this module, which V8 resolves once; what is imported is loaded and checked in each call. */
const { Present } = PageTableFlags;
const SMALL_PAGE = Size4KiB;
const OFFSET_MASK = FRAME_SIZE - 1;
const frameOf = frameOfEntry;
const flagsOf = flagsOfWords;
const NARROWING = Writable | UserAccessible;

/**
 * Where an address leads. Addresses of 4 KiB pages that are given as numbers are served by a single walk.
 * @throws PageTableError VirtAddrNotValid; ParentEntryHugePage if an entry at level 4 or 5 has PS, which is reserved
 */
export function translate(tree: TableTree, address: Address): TranslateResult {
  if (typeof address === 'number') {
    const { leaves } = tree;
    const at = leaves.entryOfAddress(address);
    if (at >= 0) {
      const low = leaves.words[at] as number;
      const high = leaves.words[at | 1] as number;
      if ((low & Present) !== 0) {
        const flags = flagsOf(low, high);
        return {
          kind: 'mapped',
          size: SMALL_PAGE,
          frame: frameOf(low, high) as PhysFrame<PageSize>,
          offset: address & OFFSET_MASK,
          flags,
          effectiveFlags:
            (flags & (leaves.commonLow | ~NARROWING)) | (flagsOf(0, leaves.anyHigh) & NoExecute),
        };
      }
    }
  }
  return translateSlowly(tree, address);
}

function translateSlowly(tree: TableTree, address: Address): TranslateResult {
  const page = Page.containingAddress(Size4KiB, address, tree.levels === 4 ? 48 : 57);
  let narrowed = NARROWING;
  let widened = 0;
  for (let level: number = tree.levels; level >= 1; level--) {
    if (tree.find(page, level) !== Find.Entry) break;
    const { words, index } = tree;
    const low = words[index] as number;
    const high = words[index + 1] as number;
    if ((low & EntryLow.Present) === 0) return { kind: 'not-mapped' };
    const flags = flagsOfWords(low, high);
    narrowed &= flags;
    widened |= flags & NoExecute;
    if (level > 1 && (low & EntryLow.PageSize) === 0) continue;
    if (level > 3) {
      throw new PageTableError(
        'ParentEntryHugePage',
        `the level ${level} entry of ${hex(address)} has the reserved bit PS`,
      );
    }
    const size = pageSizeOfLevel(level as 1 | 2 | 3);
    const entryFrame = frameOfEntry(low, high);
    return {
      kind: 'mapped',
      size,
      frame: (entryFrame - (entryFrame % size.frames)) as PhysFrame<PageSize>,
      offset: Number(toBigInt(address) % BigInt(size.bytes)),
      flags,
      effectiveFlags: (flags & ~NARROWING) | narrowed | widened,
    };
  }
  return { kind: 'not-mapped' };
}

/** The physical address behind a virtual one, or undefined where nothing is mapped. @throws as {@link translate} */
export function translateAddress(tree: TableTree, address: Address): PhysAddr | undefined {
  const result = translate(tree, address);
  if (result.kind !== 'mapped') return undefined;
  return (addressOfPage(result.frame) + BigInt(result.offset)) as PhysAddr;
}

import { type Address, addressOfPage, FRAME_SIZE, frameOfEntry, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { lowerBits, upperBits } from '../../memory/page-walk.ts';
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
const NARROWING = Writable | UserAccessible;

/**
 * Where an address leads. Addresses of 4 KiB pages that are given as numbers are served by a single walk.
 * @throws PageTableError VirtAddrNotValid; ParentEntryHugePage if an entry at level 4 or 5 has PS, which is reserved
 */
export function translate(tree: TableTree, address: Address): TranslateResult {
  if (typeof address === 'number') {
    const upper = upperBits(address);
    const lower = lowerBits(address);
    const offset = address & (FRAME_SIZE - 1);
    if (upper * 2 ** 30 + lower * FRAME_SIZE + offset === address && address < tree.lowerHalfEnd) {
      const { walk } = tree;
      const at = walk.find(upper, lower);
      if (at >= 0) {
        const low = walk.words[at] as number;
        const high = walk.words[at + 1] as number;
        if ((low & EntryLow.Present) !== 0) {
          const flags = flagsOfWords(low, high);
          return {
            kind: 'mapped',
            size: Size4KiB,
            frame: frameOfEntry(low, high) as PhysFrame<PageSize>,
            offset,
            flags,
            effectiveFlags:
              (flags & (walk.commonLow | ~NARROWING)) | (flagsOfWords(0, walk.anyHigh) & NoExecute),
          };
        }
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

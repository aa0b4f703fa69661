import type { PageAllocator } from '../../memory/page-allocator.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import type { TranslationRegime } from './regime.ts';
import type { GranuleName } from './table-geometry.ts';

/** What every table tree is made from. */
export interface TableOptions<R extends TranslationRegime> {
  readonly regime: R;
  /**
   * Level of the root table: from 0 (with the 64 KiB granule, and the 16 KiB granule at stage 2: from 1) to 3. A full
   * one of 4 KiB tables translates 48, 39, 30 or 21 address bits, of 16 KiB tables 48, 47, 36 or 25, of 64 KiB tables
   * 48 (level 1), 42 or 29.
   */
  readonly rootLevel: number;
  /** Size of pages and tables; 4K where absent, which is what the original has. */
  readonly granule?: GranuleName;
  /**
   * Width of the input addresses, for a root table that is not full, or at stage 2 for up to 16 of them one after the
   * other; what a full one translates where absent.
   */
  readonly vaBits?: number;
  /** Where the tables are. */
  readonly memory: PhysicalMemory;
  /** Where frames for tables come from, and go to. */
  readonly allocator: PageAllocator;
  /**
   * Whether a failed call leaves tables and frames as they were (default). With `false` it leaves what the original
   * leaves, and as there an unaligned output address is cut and attributes that the regime does not name are taken.
   */
  readonly atomic?: boolean;
  /**
   * Whether the engine sets and clears the contiguous bit (default). With `false` it is an attribute like any
   * other, as in the original, which never sets it.
   */
  readonly contiguousHints?: boolean;
  /** Physical address bits: output addresses beyond are refused; 48 where absent, which is also the most. */
  readonly physicalAddressBits?: number;
}

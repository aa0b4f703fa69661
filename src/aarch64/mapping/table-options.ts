import type { PageAllocator } from '../../memory/page-allocator.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import type { TranslationRegime } from './regime.ts';

/** What every table tree is made from. */
export interface TableOptions<R extends TranslationRegime> {
  readonly regime: R;
  /** Level of the root table, 0 to 3: the tables translate 48, 39, 30 or 21 address bits. */
  readonly rootLevel: number;
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

import { type ConstraintBits, Constraints } from './constraints.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { AttributesOf, TranslationRegime } from './regime.ts';
import { type MappingOptions, TableMapping } from './table-mapping.ts';
import { NO_MAINTENANCE, type TlbMaintenance } from './tlb-maintenance.ts';

/** A copy of the imported constant, which V8 would read anew in every call. */
const NOTHING_TO_DO = NO_MAINTENANCE;

/** A mapping of every address to itself, in the lower range. */
export class IdMap<R extends TranslationRegime = TranslationRegime> extends TableMapping<R> {
  /** @throws as `Mapping` */
  constructor(options: MappingOptions<R> & { readonly vaRange?: 'lower' }) {
    super(options);
  }

  /**
   * Maps a range to itself. Without VALID in `flags` it unmaps the range.
   * @returns the TLB maintenance that the change needs
   * @throws PageTableError as `Mapping.mapRange`
   */
  mapRange(
    region: MemoryRegion,
    flags: AttributesOf<R>,
    constraints: ConstraintBits = Constraints.None,
  ): TlbMaintenance {
    const { startPage, endPage } = region;
    if (endPage - startPage === 1 && this.pageMapper.map(startPage, startPage, flags)) return NOTHING_TO_DO;
    return this.root.mapFrames(startPage, endPage, startPage, flags, constraints);
  }
}

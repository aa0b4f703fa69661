import { type ConstraintBits, Constraints } from './constraints.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { AttributesOf, TranslationRegime } from './regime.ts';
import { type MappingOptions, TableMapping } from './table-mapping.ts';
import type { TlbMaintenance } from './tlb-maintenance.ts';

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
    return this.root.mapFrames(region, region.startPage, flags, constraints);
  }
}

import type { Address } from '../../addresses.ts';
import { type ConstraintBits, Constraints } from './constraints.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { AttributesOf, TranslationRegime } from './regime.ts';
import { TableMapping } from './table-mapping.ts';
import type { TlbMaintenance } from './tlb-maintenance.ts';

/** A mapping in which every range gets the output addresses that the caller names. */
export class Mapping<R extends TranslationRegime = TranslationRegime> extends TableMapping<R> {
  /**
   * Maps a range to the output addresses from `address` on. Without VALID in `flags` it unmaps the range.
   * @returns the TLB maintenance that the change needs
   * @throws PageTableError RegionBackwards, AddressRange, InvalidFlags, BreakBeforeMakeViolation, PhysAddrNotValid,
   *   UnalignedAddress, OutOfResources, UnalignedPageBase, TableOutsideMemory
   */
  mapRange(
    region: MemoryRegion,
    address: Address,
    flags: AttributesOf<R>,
    constraints: ConstraintBits = Constraints.None,
  ): TlbMaintenance {
    return this.root.mapRange(region, address, flags, constraints);
  }
}

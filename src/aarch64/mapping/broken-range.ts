import type { Address } from '../../addresses.ts';
import type { ConstraintBits } from './constraints.ts';
import type { UpdatableDescriptor } from './descriptor.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { AttributeKindOf, AttributesOf, TranslationRegime } from './regime.ts';
import type { TlbMaintenance } from './tlb-maintenance.ts';

/**
 * The first step of a break-before-make sequence, done: every leaf that maps a part of a range is zero now. The caller
 * runs {@link maintenance}, and then makes the new descriptors by one of the other methods, once. Until then the
 * tables take no other change. If making fails, the range stays broken, and can be made in another way.
 */
export interface BrokenRange<R extends TranslationRegime = TranslationRegime> {
  /** What was asked to be broken. */
  readonly region: MemoryRegion;
  /** What is not mapped now: the region and the rest of the blocks and contiguous runs that it cuts. */
  readonly unmapped: MemoryRegion;
  /** To be run before anything is made. */
  readonly maintenance: TlbMaintenance;

  /** Maps the region to the output addresses from `address` on, everything else as it was. */
  mapRange(address: Address, flags: AttributesOf<R>, constraints?: ConstraintBits): TlbMaintenance;
  /** Hands the old descriptors of the region to a callback that may change them; the rest becomes as it was. */
  modifyRange(update: (descriptor: UpdatableDescriptor<AttributeKindOf<R>>) => void): TlbMaintenance;
  /** Makes everything as it was. */
  restore(): TlbMaintenance;
}

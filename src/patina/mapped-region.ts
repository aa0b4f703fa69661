import type { MemoryAttributeBits } from '../memory-attributes.ts';

/** One present leaf entry of the tables: a page or a large page. */
export interface MappedRegion {
  /** First virtual address that the leaf translates, as the CPU takes it. */
  readonly virtualAddress: bigint;
  /**
   * The same address with its highest translated bit copied upwards, which is what patina-paging reports. It
   * differs from {@link virtualAddress} for the upper half of an AArch64 TTBR0 range only.
   */
  readonly signExtendedAddress: bigint;
  readonly physicalAddress: bigint;
  /** Size of the page in bytes. */
  readonly size: bigint;
  /** Attributes of the leaf together with the restrictions of the tables above it. */
  readonly attributes: MemoryAttributeBits;
}

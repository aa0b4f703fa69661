import type { Address } from '../../addresses.ts';
import type { AttributeKind } from './attribute-words.ts';
import type { AttributeBits } from './attributes.ts';
import type { MemoryRegion } from './memory-region.ts';

/**
 * A block, page or invalid descriptor that a walk has come to. It is valid during the callback only: the walk moves
 * the same object on to the next descriptor.
 */
export interface Descriptor<K extends AttributeKind = AttributeKind> {
  /** The level of its table, 0 to 3. */
  readonly level: number;
  /** Number of the first page that is visited here. */
  readonly startPage: number;
  /** Pages that are visited here: all that the descriptor covers, or a part if the walk has no more. */
  readonly pageCount: number;
  /** The addresses that are visited here. */
  readonly region: MemoryRegion;
  /** Bits 31:0. */
  readonly low: number;
  /** Bits 63:32. */
  readonly high: number;
  /** The 64-bit descriptor. */
  readonly bits: bigint;
  /** Whether it maps something. */
  readonly isValid: boolean;
  /** Whether it leads to a table; never in a callback of modifyRange and walkRange. */
  readonly isTable: boolean;
  readonly flags: AttributeBits<K>;
  /** Frame number of the output address. */
  readonly outputFrame: number;
  /** The output address; of no meaning where the descriptor is invalid. */
  readonly outputAddress: bigint;
}

/** A descriptor that the callback of modifyRange may change. */
export interface UpdatableDescriptor<K extends AttributeKind = AttributeKind> extends Descriptor<K> {
  /** Whether the callback has changed it. */
  readonly updated: boolean;

  /**
   * Sets and clears attributes; the output address stays. As in the original, bits that the regime does not name are
   * cleared.
   * @throws PageTableError PteUpdateFault if this would make or unmake a table, write a reserved descriptor (VALID
   *   at level 0, or at level 3 without TABLE_OR_PAGE), or needs break-before-make; InvalidFlags
   */
  modifyFlags(set: AttributeBits<K>, clear: AttributeBits<K>): void;

  /**
   * Gives it an output address and attributes. At level 3 VALID needs TABLE_OR_PAGE.
   * @param address a multiple of what the descriptor covers
   * @throws PageTableError as {@link modifyFlags}; PhysAddrNotValid beyond the physical address size
   */
  set(address: Address, flags: AttributeBits<K>): void;
}

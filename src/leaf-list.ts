/** Leaves that {@link LeafList} holds unless told otherwise: 64 GiB of 4 KiB pages, 0.6 GiB of columns. */
export const DEFAULT_LEAF_LIMIT = 2 ** 24;

/**
 * Every leaf entry that tables reach, in ascending order of virtual address, as columns. Only leaves at which
 * a walk arrives and ends in an output address are here: none with reserved bits or an output address out of
 * range, none outside the address range of the regime; a leaf that forbids every access, or whose access flag
 * is clear, is one.
 */
export class LeafList {
  readonly length: number;
  /** Virtual page number (of 4 KiB pages, whatever the granule) of the sign-extended 64-bit address. */
  readonly pageNumber: Float64Array;
  /** Size in 4 KiB pages. */
  readonly pageCount: Float64Array;
  /** First 4 KiB frame of the output address. */
  readonly frame: Float64Array;
  /** Physical address of the leaf entry. */
  readonly entryAddress: Float64Array;

  constructor(length: number) {
    this.length = length;
    this.pageNumber = new Float64Array(length);
    this.pageCount = new Float64Array(length);
    this.frame = new Float64Array(length);
    this.entryAddress = new Float64Array(length);
  }
}

/** Bits of a leaf that no access shows, as a machine lists them. */
export const CacheBit = {
  /** PWT. */
  WriteThrough: 1,
  /** PCD. */
  Disable: 2,
  /** G. */
  Global: 4,
} as const;

/** The leaves of the tables that are in force, as the machine itself lists them, in no particular order. */
export interface ListedLeaves {
  readonly length: number;
  /** Number of the first 4 KiB page of each leaf, of the sign-extended 64-bit address. */
  readonly pageNumber: Float64Array;
  /** Number of the first 4 KiB frame. */
  readonly frame: Float64Array;
  /** Bits of {@link CacheBit}. */
  readonly bits: Uint8Array;
}

/** What a mapping may not use; bit flags. */
export type ConstraintBits = number;

export const Constraints = {
  None: 0,
  /** Pages only. A block that maps the range in the same way already stays. */
  NoBlockMappings: 1 << 0,
  /** No contiguous hint: without it, aligned runs of entries with consecutive outputs get one. */
  NoContiguousHint: 1 << 1,
} as const;

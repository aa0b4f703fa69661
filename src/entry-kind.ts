/** What an entry is to a walk. */
export const EntryKind = {
  /** It maps a page or block. */
  Leaf: 0,
  /** It leads to a table of the next level. */
  Table: 1,
  /** x64: not present. AArch64: invalid, or of a type that its level does not have (a translation fault). */
  Invalid: 2,
  /** x64: a reserved bit is set. AArch64: its address is beyond the output size (an address size fault). */
  Malformed: 3,
  /** There is no memory where it should be. */
  Missing: 4,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

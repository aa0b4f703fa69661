/** One instruction that invalidates translations (SDM Vol. 3A §4.10.4.1). */
export type X64TlbOperation =
  /** INVLPG: the page that holds the address, global or not, for the current PCID. */
  | { readonly kind: 'invlpg'; readonly address: bigint }
  /** MOV to CR3 of the value that it holds: everything but global pages. */
  | { readonly kind: 'reload-cr3' }
  /** MOV to CR4 that changes PGE, and one that changes it back: everything. */
  | { readonly kind: 'toggle-pge' };

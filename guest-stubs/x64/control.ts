/** What the x64 stub has beyond the shared part of PROTOCOL.md. */

/** Indices into the control block's REGISTERS. */
export const X64Register = {
  /** Installed by the reset code; PG, PE and WP decide. */
  Cr0: 0,
  /** The root under test (the placement's copy), loaded anew at the start of every batch. */
  Cr3: 1,
  Cr4: 2,
  Efer: 3,
  Pat: 4,
  /** The virtual address of {@link X64Register.Entry}'s code in the placement: where the reset code goes. */
  Entry: 5,
  /** A root that maps every placement, and the reset code where it is. */
  Bridge: 6,
  /** An address whose surroundings (± 4 GiB) are unmapped: all registers of an execute probe hold it. */
  Canary: 7,
  /** Address of a page that markers are stored to; unused when the mask is all ones. */
  Marker: 8,
  /** A marker is stored before each probe whose record's address has none of these bits. */
  MarkerMask: 9,
} as const;

/**
 * The queue of batches (EXIT 2), in the control block: batch number n has its COUNT, DONE, COMMAND, PROBES, RESULTS, T0
 * and T1 in block n modulo the number of blocks, at the offsets that they have in the control block. DOORBELL is
 * the number of the last batch in the queue, ACK of the last one that is complete.
 */
export const X64Queue = { Offset: 0x400, Blocks: 8, BlockBytes: 0x80 } as const;

/** COMMAND of a batch. */
export const X64Command = {
  Probe: 0,
  /** Go to Entry under Bridge: leaves this placement for the one that Entry lies in. */
  Switch: 1,
  /** Probe without loading CR3: whatever the TLB holds stays in force. */
  ProbeKeepTlb: 2,
  /** Carry out COUNT TLB operations from the probe window. */
  Invalidate: 3,
  /** Fill COUNT frames below 4 GiB with zeros under Bridge; their physical addresses are in the probe window. */
  Wipe: 4,
} as const;

/** Byte 8 of a TLB operation's record, whose first 8 bytes are an address. */
export const X64Operation = {
  /** INVLPG of the address. */
  InvalidatePage: 0,
  /** MOV to CR3 of what it holds. */
  ReloadCr3: 1,
  /** CR4.PGE changed and changed back. */
  TogglePge: 2,
} as const;

/** Flags of a probe record that only host and stub know, beside AccessFlag. */
export const X64ProbeFlag = {
  /** VALUE is read whole even where its first half is zero. */
  WholeValue: 0x80,
  /**
   * Of a write whose record follows that of a read of the same slot under the same flags: what it stores is what that
   * read has returned, and it has no load of its own, nor a VALUE. Only a log can then say where the store went.
   */
  StoreAsRead: 0x40,
} as const;

/** EXTRA of a result: the load before the store of a write probe faulted too. */
export const EXTRA_LOAD_FAULTED = 1;

/** Offset in its slot of the byte that a write probe stores. */
export const STORED_BYTE = 3;

/**
 * Bits of AArch64 VMSAv8-64 stage 1 descriptors (Arm ARM D8.3), which are two 32-bit words:
 * {@link DescriptorLow} in bits 31:0, {@link DescriptorHigh} in bits 63:32.
 */

/** Bits 31:0 of a descriptor. */
export const DescriptorLow = {
  /** The descriptor is in use. If clear, the MMU ignores every other bit. */
  Valid: 0x001,
  /** Set: a table (levels before the last) or a page (the last level). Clear: a block; reserved at the last level. */
  TableOrPage: 0x002,
  /** AttrIndx[2:0], bits 4:2: which byte of MAIR. */
  AttrIndx: 0x01c,
  /** NS, bit 5: the output address is non-secure (in Secure state). */
  NonSecure: 0x020,
  /** AP[1], bit 6: EL0 may access. RES1 in a regime without EL0. */
  User: 0x040,
  /** AP[2], bit 7: no writes. */
  ReadOnly: 0x080,
  /** SH[1:0], bits 9:8. */
  Shareability: 0x300,
  /** AF, bit 10: the access flag; an access to a leaf without it faults. */
  AccessFlag: 0x400,
  /** nG, bit 11: the translation belongs to one ASID. */
  NotGlobal: 0x800,
  /** nT, bit 16 of a block: no TLB conflict abort while the block's size changes (FEAT_BBM). */
  NoTranslation: 0x1_0000,
  /** Bits 31:12 of an address. */
  Address: 0xffff_f000,
} as const;

/** Bits 63:32 of a descriptor. */
export const DescriptorHigh = {
  /** Bits 47:32 of an address. */
  Address: 0x0000_ffff,
  /** GP, bit 50: a guarded page (FEAT_BTI). */
  Guarded: 0x0004_0000,
  /** DBM, bit 51: the dirty bit modifier (FEAT_HAFDBS). */
  DirtyBitModifier: 0x0008_0000,
  /** Contiguous, bit 52: one of a run of entries that may share a TLB entry. */
  Contiguous: 0x0010_0000,
  /** PXN, bit 53: the privileged level may not execute. RES0 in a regime without EL0. */
  PrivilegedExecuteNever: 0x0020_0000,
  /** UXN, bit 54: EL0 may not execute; in a regime without EL0 it is XN: no execution. */
  UserExecuteNever: 0x0040_0000,
  /** Bits 58:55, for software. */
  Software: 0x0780_0000,
  /** PXNTable, bit 59 of a table descriptor: as PXN for everything below. */
  PrivilegedExecuteNeverTable: 0x0800_0000,
  /** UXNTable (XNTable), bit 60 of a table descriptor: as UXN for everything below. */
  UserExecuteNeverTable: 0x1000_0000,
  /** APTable[0], bit 61 of a table descriptor: no EL0 access below. */
  NoUserTable: 0x2000_0000,
  /** APTable[1], bit 62 of a table descriptor: no writes below. */
  ReadOnlyTable: 0x4000_0000,
  /** NSTable, bit 63 of a table descriptor. */
  NonSecureTable: 0x8000_0000,
} as const;

/** Position of AttrIndx in the low word. */
export const ATTR_INDX_SHIFT = 2;
/** Position of SH in the low word. */
export const SHAREABILITY_SHIFT = 8;

/** Values of SH[1:0]; 1 is reserved. */
export const Shareability = { Non: 0, Outer: 2, Inner: 3 } as const;

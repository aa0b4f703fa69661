/**
 * Bits of x64 paging-structure entries (Intel SDM Vol. 3A §4.5.4, tables 4-14 to 4-20), which are two 32-bit
 * words: {@link EntryLow} in bits 31:0, {@link EntryHigh} in bits 63:32.
 */

/** Bits 31:0 of an entry. */
export const EntryLow = {
  /** P: the entry is in use. If clear, the processor ignores every other bit. */
  Present: 0x001,
  /** R/W: writes are allowed below. */
  Writable: 0x002,
  /** U/S: user-mode accesses are allowed below. */
  User: 0x004,
  /** PWT: bit 0 of the PAT index (§4.9.2). */
  WriteThrough: 0x008,
  /** PCD: bit 1 of the PAT index. */
  CacheDisable: 0x010,
  /** A: set by the processor when it uses the entry for a translation (§4.8). */
  Accessed: 0x020,
  /** D: set by the processor in a leaf when the page is written (§4.8). */
  Dirty: 0x040,
  /** PS: a leaf at PDPT (1 GiB) and PD (2 MiB) level; reserved in PML5E and PML4E. */
  PageSize: 0x080,
  /** PAT: bit 2 of the PAT index in a 4 KiB leaf; the same bit as {@link EntryLow.PageSize}. */
  PatOfPage: 0x080,
  /** G: the translation is global where CR4.PGE = 1. */
  Global: 0x100,
  /** Bits 11:9, for software. */
  Software: 0xe00,
  /** PAT: bit 2 of the PAT index in a 2 MiB or 1 GiB leaf. */
  PatOfLargePage: 0x1000,
  /** Bits 31:12 of the address of a table or of a 4 KiB page. */
  Address: 0xffff_f000,
  /** Bits 31:21 of the address of a 2 MiB page. */
  Address2M: 0xffe0_0000,
  /** Bits 31:30 of the address of a 1 GiB page. */
  Address1G: 0xc000_0000,
} as const;

/** Bits 63:32 of an entry. */
export const EntryHigh = {
  /** Bits 51:32 of an address; those at and above MAXPHYADDR are reserved. */
  Address: 0x000f_ffff,
  /** Bits 58:52, for software. */
  Software: 0x07f0_0000,
  /** Bits 62:59: the protection key of a leaf (§4.6.2); for software where CR4.PKE = 0, and in tables. */
  ProtectionKey: 0x7800_0000,
  /** XD: no instruction fetch below; reserved where IA32_EFER.NXE = 0. */
  ExecuteDisable: 0x8000_0000,
} as const;

/** Position of the protection key's lowest bit in the high word. */
export const PROTECTION_KEY_SHIFT = 27;

/**
 * Fields of the registers that control translation (Arm ARM D19.2), as the engine sets them. A field of more than one bit
 * stands as the position of its lowest bit (`…Shift`) or with the one value that is used.
 */

/** Of one range of addresses, in TCR_ELx and VTCR_EL2 at the same distance from TnSZ. */
export const RangeControl = {
  /** IRGNn and ORGNn: walks are normal write-back, write-allocate accesses. */
  InnerWriteBack: 0b01n << 8n,
  OuterWriteBack: 0b01n << 10n,
  /** SHn: walks are inner shareable. */
  InnerShareable: 0b11n << 12n,
} as const;

/** TCR_EL1, and TCR_EL2 with HCR_EL2.E2H: two ranges (D19.2.147). */
export const Tcr1 = {
  /** No walks from TTBR0, and from TTBR1. */
  Epd0: 1n << 7n,
  Epd1: 1n << 23n,
  /** The fields of TTBR1's range stand this much higher than those of TTBR0's. */
  UpperShift: 16n,
  Tg0Shift: 14n,
  Tg1Shift: 30n,
  /** TTBR1 holds the ASID. */
  A1: 1n << 22n,
  IpsShift: 32n,
  /** ASIDs have 16 bits. */
  As: 1n << 36n,
} as const;

/** TCR_EL2 with HCR_EL2.E2H = 0, and TCR_EL3: one range (D19.2.148, D19.2.149). */
export const Tcr23 = { Tg0Shift: 14n, PsShift: 16n, Res1: (1n << 31n) | (1n << 23n) } as const;

/** VTCR_EL2 (D19.2.164). */
export const Vtcr = {
  Sl0Shift: 6n,
  Tg0Shift: 14n,
  PsShift: 16n,
  /** VMIDs have 16 bits. */
  Vs: 1n << 19n,
  Res1: 1n << 31n,
} as const;

/** SCTLR_ELx (D19.2.123–125). */
export const Sctlr = {
  /** MMU, data cache, stack alignment check, instruction cache. */
  M: 1n << 0n,
  C: 1n << 2n,
  Sa: 1n << 3n,
  I: 1n << 12n,
  /** Bits that are 1 where a feature is absent: of SCTLR_EL1, and of SCTLR_EL2 with HCR_EL2.E2H; of EL2 and EL3. */
  Res1Of1: 0x30d0_0800n,
  Res1Of23: 0x30c5_0830n,
} as const;

/** HCR_EL2 (D19.2.48). */
export const HcrEl2 = {
  /** Stage 2 of EL1&0. */
  Vm: 1n << 0n,
  /** Stage 1 of EL1&0 is off, and what it hands to stage 2 is write-back. */
  Dc: 1n << 12n,
  /** EL0 belongs to EL2. */
  Tge: 1n << 27n,
  /** EL1 runs AArch64. */
  Rw: 1n << 31n,
  /** EL2&0. */
  E2h: 1n << 34n,
} as const;

/** SCR_EL3 (D19.2.117): EL2 and below are Non-secure and run AArch64, HVC is there; bits 5:4 are RES1. */
export const SCR_NON_SECURE = (1n << 0n) | (0b11n << 4n) | (1n << 8n) | (1n << 10n);

/** Widths of a physical address by the value of (I)PS in TCR_ELx and VTCR_EL2; 52 bits need FEAT_LPA. */
export const PHYSICAL_ADDRESS_SIZES: readonly number[] = [32, 36, 40, 42, 44, 48];

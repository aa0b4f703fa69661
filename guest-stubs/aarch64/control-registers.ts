/** Fields of TCR_ELx, SCTLR_ELx, HCR_EL2 and SCR_EL3 that decide how the stub is installed (Arm ARM D19.2). */

/** Position and width of a field. */
interface Field {
  readonly shift: bigint;
  readonly width: bigint;
}

const field = (shift: number, width = 1): Field => ({ shift: BigInt(shift), width: BigInt(width) });

const maskOf = ({ shift, width }: Field): bigint => ((1n << width) - 1n) << shift;
const masksOf = (...fields: readonly Field[]): bigint => fields.reduce((mask, one) => mask | maskOf(one), 0n);

export function read(register: bigint, { shift, width }: Field): number {
  return Number((register >> shift) & ((1n << width) - 1n));
}

export function replace(register: bigint, where: Field, value: number): bigint {
  return (register & ~maskOf(where)) | (BigInt(value) << where.shift);
}

/** TCR_EL1, which TCR_EL2 with E2H is like, and, where the field exists there, TCR_EL2 and TCR_EL3. */
export const Tcr = {
  T0sz: field(0, 6),
  /** No walks from TTBR0 and TTBR1 (EL1&0). */
  Epd0: field(7),
  Epd1: field(23),
  Tg0: field(14, 2),
  T1sz: field(16, 6),
  Tg1: field(30, 2),
  /** Intermediate physical address size of EL1&0. */
  Ips: field(32, 3),
  /** Physical address size of EL2 without E2H and of EL3. */
  PsEl2: field(16, 3),
  /** FEAT_LPA2 descriptors: TCR_EL1, and TCR_EL2 without E2H and TCR_EL3. */
  DsEl1: field(59),
  DsEl2: field(32),
} as const;

/** Every field of TCR_EL1 that concerns only the lower half (TTBR0). */
export const TCR_LOWER_HALF = masksOf(
  ...[field(0, 6), field(7), field(8, 8)], // T0SZ, EPD0, IRGN0 ORGN0 SH0 TG0
  ...[field(37), field(41), field(43, 4), field(51), field(53), field(55), field(57)], // TBI0 HPD0 HWU0 TBID0 NFD0 E0PD0 TCMA0
);
/** Every field of TCR_EL1 that concerns only the upper half (TTBR1). A1, which chooses the ASID, is no such field. */
export const TCR_UPPER_HALF = masksOf(
  ...[field(16, 6), field(23), field(24, 8)], // T1SZ, EPD1, IRGN1 ORGN1 SH1 TG1
  ...[field(38), field(42), field(47, 4), field(52), field(54), field(56), field(58)], // TBI1 HPD1 HWU1 TBID1 NFD1 E0PD1 TCMA1
);

export const Sctlr = {
  /** The MMU is on. */
  M: field(0),
  /** Exceptions leave PSTATE.PAN alone. */
  Span: field(23),
  /** Data accesses at EL0 are big-endian. */
  E0e: field(24),
  /** Data accesses at this level and table walks are big-endian. */
  Ee: field(25),
} as const;

export const Hcr = {
  Vm: field(0),
  /** Walks of stage 1 may not be taken to Device memory. */
  Ptw: field(2),
  /** Default cacheable: stage 1 of EL1&0 is off. */
  Dc: field(12),
  Tge: field(27),
  /** EL1 is AArch64. */
  Rw: field(31),
  Cd: field(32),
  Id: field(33),
  E2h: field(34),
  Fwb: field(46),
} as const;

/** VTCR_EL2. */
export const Vtcr = {
  T0sz: field(0, 6),
  Sl0: field(6, 2),
  Tg0: field(14, 2),
  Ps: field(16, 3),
  Ha: field(21),
  Hd: field(22),
  Ds: field(32),
  /** With DS and pages of 4 KiB the walk begins at level −1. */
  Sl2: field(33),
} as const;

export const Scr = {
  /** Lower levels are Non-secure. */
  Ns: field(0),
  Hce: field(8),
  /** Secure state does not fetch from Non-secure memory. */
  Sif: field(9),
  /** Lower levels are AArch64. */
  Rw: field(10),
} as const;

/** Bits of a physical address by the value of TCR.IPS or PS (Arm ARM D19.2.139); 7 is reserved. */
export const PHYSICAL_ADDRESS_BITS: readonly number[] = [32, 36, 40, 42, 44, 48, 52, 52];

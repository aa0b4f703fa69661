import { hex } from '../addresses.ts';

/** Bits of SCTLR_ELx (Arm ARM D19.2) by position. */
export const Sctlr = { M: 0, I: 12, WXN: 19, EE: 25 } as const;

/** Bits of HCR_EL2 (Arm ARM D19.2) by position. */
export const Hcr = {
  /** Stage 2 for EL1&0. */
  VM: 0,
  /** A walk of stage 1 that stage 2 takes to Device memory is a permission fault. */
  PTW: 2,
  /** Stage 1 is off and its memory is write-back, as if VM were set. */
  DC: 12,
  TGE: 27,
  /** Non-cacheable data and instructions at stage 2. */
  CD: 32,
  ID: 33,
  E2H: 34,
  NV1: 43,
  /** Another meaning of MemAttr (FEAT_S2FWB). */
  FWB: 46,
  /** Tagged memory with DC (FEAT_MTE2). */
  DCT: 57,
} as const;

/** Bits of SCR_EL3 (Arm ARM D19.2) by position. */
export const Scr = { NS: 0, SIF: 9 } as const;

export function bit(register: bigint, position: number): boolean {
  return ((register >> BigInt(position)) & 1n) !== 0n;
}

export function field(register: bigint, position: number, width: number): number {
  return Number((register >> BigInt(position)) & ((1n << BigInt(width)) - 1n));
}

/** "HCR_EL2 is 0x1: …" */
export function refuse(register: string, value: bigint, problem: string): RangeError {
  return new RangeError(`${register} is ${hex(value)}: ${problem}`);
}

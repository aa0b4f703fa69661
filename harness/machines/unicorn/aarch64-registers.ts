/** Unicorn's numbers of AArch64 registers (unicorn/arm64.h, uc_arm64_reg). */
export const Arm64 = {
  X9: 208,
  X10: 209,
  X11: 210,
  X12: 211,
  Pc: 260,
  Pstate: 265,
  /** Takes uc_arm64_cp_reg, see {@link systemRegisterWords}. */
  SystemRegister: 290,
} as const;

/** op0, op1, CRn, CRm, op2 of a system register (Arm ARM D19.2). */
export type SystemRegister = readonly [op0: number, op1: number, crn: number, crm: number, op2: number];

/** The registers that install one exception level's tables. */
export interface LevelRegisters {
  readonly sctlr: SystemRegister;
  readonly ttbr0: SystemRegister;
  /** EL1, and EL2 with HCR_EL2.E2H; written where the regime has two halves. */
  readonly ttbr1: SystemRegister;
  readonly tcr: SystemRegister;
  readonly mair: SystemRegister;
}

/** op1 of the registers of a level. */
const levelRegisters = (op1: number): LevelRegisters => ({
  sctlr: [3, op1, 1, 0, 0],
  ttbr0: [3, op1, 2, 0, 0],
  ttbr1: [3, op1, 2, 0, 1],
  tcr: [3, op1, 2, 0, 2],
  mair: [3, op1, 10, 2, 0],
});
export const LEVEL_REGISTERS = {
  1: levelRegisters(0),
  2: levelRegisters(4),
  3: levelRegisters(6),
} as const;
export const FAR_EL1: SystemRegister = [3, 0, 6, 0, 0];
export const HCR_EL2: SystemRegister = [3, 4, 1, 1, 0];
export const VTTBR_EL2: SystemRegister = [3, 4, 2, 1, 0];
export const VTCR_EL2: SystemRegister = [3, 4, 2, 1, 2];
export const SPSR_EL2: SystemRegister = [3, 4, 4, 0, 0];
export const ELR_EL2: SystemRegister = [3, 4, 4, 0, 1];
export const HPFAR_EL2: SystemRegister = [3, 4, 6, 0, 4];
export const SCR_EL3: SystemRegister = [3, 6, 1, 1, 0];

/** uc_arm64_cp_reg: five 32-bit numbers, padding, the value. */
export function systemRegisterWords([op0, op1, crn, crm, op2]: SystemRegister, value: bigint): bigint[] {
  return [pair(crn, crm), pair(op0, op1), BigInt(op2), value];
}

function pair(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** PSTATE: the exception level, on the stack pointer of that level where there is one; interrupts masked. */
export const PSTATE = { EL1: 0x3c5n, EL2: 0x3c9n, EL3: 0x3cdn } as const;

/** The exception level in PSTATE.M. */
export function exceptionLevelOf(pstate: bigint): number {
  return Number((pstate >> 2n) & 3n);
}

/** QEMU's exception numbers, which the interrupt callback gets. */
export const Interrupt = { SupervisorCall: 2, PrefetchAbort: 3, DataAbort: 4, HypervisorCall: 11 } as const;

/** The registers that decide how an address is translated, per architecture. */

/** x64 paging registers (Intel SDM Vol. 3A §2.5 control registers, §4.1 paging modes). */
export interface X64Registers {
  readonly architecture: 'x64';
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  /** IA32_EFER. */
  readonly efer: bigint;
  /** IA32_PAT; the power-on value {@link DEFAULT_PAT} where absent. */
  readonly pat?: bigint;
  /** MAXPHYADDR in bits (CPUID 8000_0008H EAX[7:0]), 32–52. */
  readonly physicalAddressBits: number;
}

/** IA32_PAT after reset (SDM Vol. 3A §11.12.4): WB, WT, UC-, UC, and the same again. */
export const DEFAULT_PAT = 0x0007_0406_0007_0406n;

/** The exception level whose translation is under test. */
export type ExceptionLevel = 1 | 2 | 3;

/**
 * AArch64 translation registers of the regime under test (Arm ARM D8, D19.2). `ttbr0`, `tcr`, `mair` and
 * `sctlr` are those of `exceptionLevel`; `ttbr1` exists at EL1 (and EL2 with HCR_EL2.E2H).
 *
 * | regime | `exceptionLevel` | what else selects it |
 * |---|---|---|
 * | EL1&0 | 1 | HCR_EL2.VM = DC = 0 |
 * | EL1&0 with stage 2 | 1 | HCR_EL2.VM = 1; `vtcr` and `vttbr` |
 * | stage 2 alone | 1 | as before with SCTLR_EL1.M = 0 (virtual addresses are intermediate ones, data is Device memory at stage 1), or HCR_EL2.DC = 1 (the same with write-back memory, so that stage 2's memory types show) |
 * | EL2 | 2 | HCR_EL2.E2H = 0 |
 * | EL2&0 | 2 | HCR_EL2.E2H = 1; EL0 belongs to it with HCR_EL2.TGE = 1 |
 * | EL3 | 3 | |
 *
 * ASID, VMID and nG tell translations of one address space from those of another; they never change what a walk
 * finds, so they have no part in predictions.
 */
export interface AArch64Registers {
  readonly architecture: 'aarch64';
  readonly exceptionLevel: ExceptionLevel;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint;
  readonly tcr: bigint;
  readonly mair: bigint;
  readonly sctlr: bigint;
  readonly hcrEl2: bigint;
  /** VTCR_EL2 and VTTBR_EL2: stage 2, in force for EL1&0 when HCR_EL2.VM or DC is set. */
  readonly vtcr?: bigint;
  readonly vttbr?: bigint;
  /** SCR_EL3: the security state; where absent, EL1 and EL2 are Non-secure and EL3 may fetch from everywhere. */
  readonly scrEl3?: bigint;
  /** QEMU's name of the CPU model, when the tables depend on one. */
  readonly cpu?: string;
  /** Implemented physical address size in bits (ID_AA64MMFR0_EL1.PARange); 48 where absent. */
  readonly physicalAddressBits?: number;
}

export type Registers = X64Registers | AArch64Registers;
export type Architecture = Registers['architecture'];

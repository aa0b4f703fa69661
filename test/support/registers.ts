import type { AArch64Registers, X64Registers } from '../../src/registers.ts';

/** Four levels with write protection and the execute-disable bit; the root at 0. */
export const X64_REGISTERS: X64Registers = {
  architecture: 'x64',
  cr0: 0x8001_0033n,
  cr3: 0n,
  cr4: 0x20n,
  efer: 0xd00n,
  physicalAddressBits: 40,
};

/** EL1 with the MMU on, and nothing else said. */
export const EL1_REGISTERS: AArch64Registers = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: 0n,
  ttbr1: 0n,
  tcr: 0n,
  mair: 0n,
  sctlr: 1n,
  hcrEl2: 0n,
};

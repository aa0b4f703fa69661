import type { Registers } from '../../../src/registers.ts';

/** SCTLR_ELx.M, C and I, HCR_EL2.DC (Arm ARM D19.2); CR0.CD (Intel SDM Vol. 3A §11.5.3). */
const SCTLR_M = 1n << 0n;
const SCTLR_C = 1n << 2n;
const SCTLR_I = 1n << 12n;
const HCR_DC = 1n << 12n;
const CR0_CD = 1n << 30n;

/**
 * What registers do to caching whatever the tables say. Memory types are compared as the tables give them, so that the
 * reader has to be told. Each is a sentence.
 */
export function cacheNotes(registers: Registers): string[] {
  if (registers.architecture === 'x64') {
    return (registers.cr0 & CR0_CD) === 0n
      ? []
      : ['CR0.CD is 1: no cache is filled, whatever memory type the tables say'];
  }
  const { exceptionLevel, sctlr, hcrEl2 } = registers;
  const isOff = (sctlr & SCTLR_M) === 0n || (exceptionLevel === 1 && (hcrEl2 & HCR_DC) !== 0n);
  if (isOff) return [];
  const note = (bit: string, what: string) =>
    `SCTLR_EL${exceptionLevel}.${bit} is 0: ${what} are not cached, whatever memory type the tables say`;
  return [
    ...((sctlr & SCTLR_C) === 0n ? [note('C', 'data accesses')] : []),
    ...((sctlr & SCTLR_I) === 0n ? [note('I', 'instruction fetches')] : []),
  ];
}

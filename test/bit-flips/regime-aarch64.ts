import type { Registers } from '../../src/registers.ts';
import type { Manual } from './meaning.ts';
import { aarch64Manual } from './meaning-aarch64.ts';

/** HCR_EL2 (Arm ARM D19.2.48) and SCR_EL3. */
const SCTLR_M = 1n;
const HCR_VM = 1n;
const HCR_DC = 1n << 12n;
const HCR_TGE = 1n << 27n;
const HCR_E2H = 1n << 34n;
const SCR_NS = 1n;
/** log2 of the page size by TG0 and VTCR_EL2.TG0. */
const TG0: Readonly<Record<number, number>> = { 0: 12, 1: 16, 2: 14 };
const WRITE_BACK = { attribute: 'normal write-back write-back', shareability: 'non' } as const;
const STRICTEST = { attribute: 'device 0', shareability: 'outer' } as const;

/** What the manual says of descriptors under these registers; both halves have the same granule. */
export function manualOf(registers: Registers): Manual {
  if (registers.architecture !== 'aarch64') throw new Error('AArch64 registers are expected');
  const { exceptionLevel, hcrEl2, mair, sctlr, tcr, vtcr = 0n, scrEl3 = SCR_NS } = registers;
  const isHost = exceptionLevel === 2 && (hcrEl2 & HCR_E2H) !== 0n;
  const granule = (register: bigint) => TG0[Number((register >> 14n) & 3n)] ?? 0;
  return aarch64Manual({
    hasUser: exceptionLevel === 1 || isHost,
    userExists: exceptionLevel === 1 || (isHost && (hcrEl2 & HCR_TGE) !== 0n),
    isSecure: exceptionLevel === 3 || (scrEl3 & SCR_NS) === 0n,
    isNested:
      exceptionLevel === 1 &&
      (hcrEl2 & HCR_VM) !== 0n &&
      (hcrEl2 & HCR_DC) === 0n &&
      (sctlr & SCTLR_M) !== 0n,
    mair,
    pageShift: { 1: granule(tcr), 2: granule(vtcr) },
    typeWhereOff: (hcrEl2 & HCR_DC) === 0n ? STRICTEST : WRITE_BACK,
  });
}

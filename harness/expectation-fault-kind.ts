import { HPFAR_NONE, type OutcomeList, x64ErrorCode, x64Vector } from '../src/outcome-list.ts';
import type { AArch64Registers, Architecture, Registers } from '../src/registers.ts';

/**
 * Why an access was refused, in terms that both architectures share.
 * - unmapped: there is no translation (or the address cannot have one)
 * - forbidden: there is one, but not for this access
 * - malformed: the tables hold what the architecture reserves, or an address out of range, or no access flag
 * - other: no fault of translation at all
 */
export type FaultKind = 'unmapped' | 'forbidden' | 'malformed' | 'other';

const Vector = { StackFault: 12, GeneralProtection: 13, PageFault: 14 } as const;
/** Error code of #PF (SDM Vol. 3A §4.7). */
const ErrorCode = { Present: 1 << 0, Reserved: 1 << 3 } as const;

/** The kind of an x64 exception. A non-canonical address is refused by #GP or #SS (SDM Vol. 1 §3.3.7.1). */
function x64FaultKind(fault: number): FaultKind {
  const vector = x64Vector(fault);
  if (vector === Vector.GeneralProtection || vector === Vector.StackFault) return 'unmapped';
  if (vector !== Vector.PageFault) return 'other';
  const errorCode = x64ErrorCode(fault);
  if ((errorCode & ErrorCode.Reserved) !== 0) return 'malformed';
  return (errorCode & ErrorCode.Present) !== 0 ? 'forbidden' : 'unmapped';
}

/** ESR_ELx.EC of instruction and data aborts from below and from the same level (Arm ARM D19.2.37). */
const ABORT_CLASSES: ReadonlySet<number> = new Set([0x20, 0x21, 0x24, 0x25]);

/** The kind of an AArch64 abort by its fault status code (Arm ARM D19.2.37, DFSC and IFSC). */
function aarch64FaultKind(fault: number): FaultKind {
  if (!ABORT_CLASSES.has(fault >>> 26)) return 'other';
  const status = fault & 0x3f;
  if (status === 0b101011) return 'unmapped';
  if (status === 0b101001) return 'malformed';
  switch (status >> 2) {
    case 0b0000: // address size, level 0–3
    case 0b0010: // access flag
      return 'malformed';
    case 0b0001: // translation
      return 'unmapped';
    case 0b0011: // permission
      return 'forbidden';
    default:
      return 'other';
  }
}

export const FAULT_KIND: Readonly<Record<Architecture, (fault: number) => FaultKind>> = {
  x64: x64FaultKind,
  aarch64: aarch64FaultKind,
};

/** The kind of the fault of outcome `index`. */
export type FaultKindOf = (outcomes: OutcomeList, index: number) => FaultKind;

/** HCR_EL2.DC, which puts stage 2 in force and switches stage 1 off (Arm ARM D19.2.48). */
const HCR_DC = 1n << 12n;
const HCR_VM = 1n << 0n;
const SCTLR_M = 1n << 0n;
const ADDRESS_SIZE_LEVEL_0 = 0b000000;

/**
 * How faults are told apart under a set of registers. Where stage 2 is alone, an address beyond the physical size is
 * refused on the way to it, as an address size fault of stage 1 at level 0: nothing can be mapped there.
 */
export function faultKindOf(registers: Registers): FaultKindOf {
  const kindOf = FAULT_KIND[registers.architecture];
  if (registers.architecture === 'x64' || !isStageTwoAlone(registers)) {
    return (outcomes, index) => kindOf(outcomes.fault[index] as number);
  }
  return (outcomes, index) => {
    const fault = outcomes.fault[index] as number;
    const isRefused =
      ABORT_CLASSES.has(fault >>> 26) &&
      (fault & 0x3f) === ADDRESS_SIZE_LEVEL_0 &&
      outcomes.hpfar?.[index] === HPFAR_NONE;
    return isRefused ? 'unmapped' : kindOf(fault);
  };
}

function isStageTwoAlone({ exceptionLevel, hcrEl2, sctlr }: AArch64Registers): boolean {
  const isOff = (hcrEl2 & HCR_DC) !== 0n || (sctlr & SCTLR_M) === 0n;
  return exceptionLevel === 1 && isOff && (hcrEl2 & (HCR_DC | HCR_VM)) !== 0n;
}

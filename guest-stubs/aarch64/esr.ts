/** Fields of ESR_ELx and PAR_EL1 that results are read from (Arm ARM D19.2.37, D19.2.118). */

export const ExceptionClass = {
  Unknown: 0x00,
  InstructionAbortLower: 0x20,
  InstructionAbortSame: 0x21,
  DataAbortLower: 0x24,
  DataAbortSame: 0x25,
  Breakpoint: 0x3c,
} as const;

export function exceptionClassOf(esr: number): number {
  return esr >>> 26;
}

/** Of an abort: DFSC or IFSC. */
export function faultStatusOf(esr: number): number {
  return esr & 0x3f;
}

export const FAULT_STATUS_EXTERNAL_ABORT = 0x10;

/** A synchronous external abort on a table walk, level −1 to 3. */
export function isWalkAbort(faultStatus: number): boolean {
  return faultStatus >= 0x13 && faultStatus <= 0x17;
}

/** The ESR of an abort: IL = 1 and the given fault status (and WnR, for writes). */
export function abortSyndrome(exceptionClass: number, faultStatus: number, isWrite: boolean): number {
  return ((exceptionClass << 26) | (1 << 25) | (isWrite ? 1 << 6 : 0) | faultStatus) >>> 0;
}

export function isAbort(exceptionClass: number): boolean {
  return (
    exceptionClass === ExceptionClass.InstructionAbortLower ||
    exceptionClass === ExceptionClass.InstructionAbortSame ||
    exceptionClass === ExceptionClass.DataAbortLower ||
    exceptionClass === ExceptionClass.DataAbortSame
  );
}

/** PAR_EL1.F: the translation failed. */
export function parFailed(low: number): boolean {
  return (low & 1) === 1;
}

/** PAR_EL1.FST of a failed translation. */
export function parFaultStatus(low: number): number {
  return (low >>> 1) & 0x3f;
}

/** PAR_EL1.PA as a 4 KiB frame number. */
export function parFrame(low: number, high: number): number {
  return (high & 0xf_ffff) * 0x10_0000 + (low >>> 12);
}

/** PAR_EL1.ATTR and SH as OutcomeList.memoryType has them. */
export function parMemoryType(low: number, high: number): number {
  return (high >>> 24) | (((low >>> 7) & 3) << 8);
}

/** PAR_EL1.S of a failed translation: it failed at stage 2. */
export function parIsOfStageTwo(low: number): boolean {
  return (low & 0x200) !== 0;
}

/** The ESR of a fault of stage 2 without ISS[24:14], which tell of the instruction. */
export function withoutInstructionSyndrome(esr: number): number {
  return (esr & ~0x01ff_c000) >>> 0;
}

import { Access, Privilege } from '../access-list.ts';
import { isStructuralFault } from '../outcome-list.ts';

/** ESR_ELx.EC of a failed translation (Arm ARM D19.2). */
export const ExceptionClass = {
  InstructionAbortLowerEl: 0x20,
  InstructionAbortSameEl: 0x21,
  DataAbortLowerEl: 0x24,
  DataAbortSameEl: 0x25,
} as const;

/** Fields of ESR_ELx[31:0] for aborts. */
const Esr = {
  EcShift: 26,
  InstructionLength: 1 << 25,
  StageOneWalk: 1 << 7,
  WriteNotRead: 1 << 6,
  StatusMask: 0x3f,
} as const;

/** Kinds of translation faults: the fault status code at level 0 (Arm ARM D19.2, ESR_ELx.ISS: DFSC and IFSC). */
export const FaultStatus = {
  AddressSize: 0b00_0000,
  Translation: 0b00_0100,
  AccessFlag: 0b00_1000,
  Permission: 0b00_1100,
} as const;
export type FaultStatus = (typeof FaultStatus)[keyof typeof FaultStatus];

/** Codes of level −1, which do not follow the pattern of the others (FEAT_LPA2). */
const ADDRESS_SIZE_LEVEL_MINUS_1 = 0b10_1001;
const TRANSLATION_LEVEL_MINUS_1 = 0b10_1011;
/** A synchronous external abort, not on a walk. */
const EXTERNAL_ABORT = 0b01_0000;

/** The fault status code of a kind of fault at a level. */
export function faultStatusCode(kind: FaultStatus, level: number): number {
  if (level >= 0) return kind | level;
  return kind === FaultStatus.AddressSize ? ADDRESS_SIZE_LEVEL_MINUS_1 : TRANSLATION_LEVEL_MINUS_1;
}

/** ESR_ELx[31:0] of an abort: EC, IL = 1, WnR and xFSC; everything else is 0 unless stage 2 adds to it. */
export function abortSyndrome(exceptionClass: number, write: boolean, status: number): number {
  return (
    ((exceptionClass << Esr.EcShift) | Esr.InstructionLength | (write ? Esr.WriteNotRead : 0) | status) >>> 0
  );
}

/** ESR of a fault of stage 1, which the regime's own exception level takes. */
export function syndrome(access: Access, privilege: Privilege, status: number): number {
  const fromUser = privilege === Privilege.User;
  if (access === Access.Execute) {
    const instructionAbort = fromUser
      ? ExceptionClass.InstructionAbortLowerEl
      : ExceptionClass.InstructionAbortSameEl;
    return abortSyndrome(instructionAbort, false, status);
  }
  const dataAbort = fromUser ? ExceptionClass.DataAbortLowerEl : ExceptionClass.DataAbortSameEl;
  return abortSyndrome(dataAbort, access === Access.Write, status);
}

/** ESR_EL2 of a fault of stage 2: EL2 takes it from below, whatever the privilege. */
export function stageTwoSyndrome(access: Access, status: number): number {
  return syndrome(access, Privilege.User, status);
}

/** HPFAR_EL2 of a fault at an intermediate address: its bits 51:12 from bit 4 (Arm ARM D19.2). */
export function hpfarOf(address: number): bigint {
  return BigInt(Math.floor(address / 4096)) << 4n;
}

/** HPFAR_EL2.FIPA: bits 43:4. */
const HPFAR_FIPA = 0xfff_ffff_fff0n;

/** The first address of the intermediate page that HPFAR_EL2 names. */
export function intermediatePageOf(hpfar: bigint): bigint {
  return (hpfar & HPFAR_FIPA) << 8n;
}

/** Whether a fault status code is that of a permission fault. */
export function isPermissionStatus(status: number): boolean {
  return (status & ~3) === FaultStatus.Permission;
}

/** ISS[24:14] of a data abort at stage 2: ISV, SAS, SSE, SRT, SF, AR. */
const INSTRUCTION_SYNDROME = 0x01ff_c000;

/** The syndrome of a data abort without what it says about the instruction; see `OutcomeList.fault`. */
export function withoutInstructionSyndrome(esr: number): number {
  const isDataAbort = abortKind(esr >>> Esr.EcShift) === 'data abort';
  return isDataAbort ? (esr & ~INSTRUCTION_SYNDROME) >>> 0 : esr;
}

/** The syndrome of a fault that stage 2 raised on a walk of stage 1: with S1PTW. */
export function onStageOneWalk(esr: number): number {
  return (esr | Esr.StageOneWalk) >>> 0;
}

/** The fields of an AArch64 fault. */
export interface AArch64FaultFields {
  readonly architecture: 'aarch64';
  /** ESR.EC */
  readonly exceptionClass: number;
  readonly kind: 'instruction abort' | 'data abort' | 'other';
  /** Whether the exception came from the exception level that takes it. */
  readonly sameLevel: boolean;
  /** ESR.WnR of a data abort. */
  readonly write: boolean;
  /** ESR.S1PTW: stage 2 raised it when stage 1 read its tables. */
  readonly stageOneWalk: boolean;
  /** DFSC or IFSC. */
  readonly status: number;
  /** "translation fault", or the status code where it is none of a walk. */
  readonly cause: string;
  /** −1 to 3, undefined where the status has no level. */
  readonly level: number | undefined;
}

const CAUSES = ['address size fault', 'translation fault', 'access flag fault', 'permission fault'] as const;

export function decodeAArch64Fault(esr: number): AArch64FaultFields {
  const exceptionClass = esr >>> Esr.EcShift;
  const kind = abortKind(exceptionClass);
  const status = esr & Esr.StatusMask;
  return {
    architecture: 'aarch64',
    exceptionClass,
    kind,
    sameLevel:
      exceptionClass === ExceptionClass.InstructionAbortSameEl ||
      exceptionClass === ExceptionClass.DataAbortSameEl,
    write: kind === 'data abort' && (esr & Esr.WriteNotRead) !== 0,
    stageOneWalk: kind !== 'other' && (esr & Esr.StageOneWalk) !== 0,
    status,
    ...causeOf(status),
  };
}

/** "data abort, same EL, permission fault level 3, write"; "no fault" for 0; "table outside memory". */
export function describeAArch64Fault(esr: number): string {
  if (esr === 0) return 'no fault';
  if (isStructuralFault(esr)) return 'table outside memory';
  const { exceptionClass, kind, sameLevel, write, stageOneWalk, cause, level } = decodeAArch64Fault(esr);
  if (kind === 'other') return `exception class 0x${exceptionClass.toString(16)}`;
  const where = level === undefined ? cause : `${cause} level ${level}`;
  const access = kind === 'data abort' ? (write ? ', write' : ', read') : '';
  const walk = stageOneWalk ? ', on a stage 1 walk' : '';
  return `${kind}, ${sameLevel ? 'same' : 'lower'} EL, ${where}${access}${walk}`;
}

function abortKind(exceptionClass: number): AArch64FaultFields['kind'] {
  switch (exceptionClass) {
    case ExceptionClass.InstructionAbortLowerEl:
    case ExceptionClass.InstructionAbortSameEl:
      return 'instruction abort';
    case ExceptionClass.DataAbortLowerEl:
    case ExceptionClass.DataAbortSameEl:
      return 'data abort';
    default:
      return 'other';
  }
}

function causeOf(status: number): Pick<AArch64FaultFields, 'cause' | 'level'> {
  if (status < 0b01_0000) return { cause: CAUSES[status >>> 2] as string, level: status & 3 };
  if (status === ADDRESS_SIZE_LEVEL_MINUS_1) return { cause: CAUSES[0], level: -1 };
  if (status === TRANSLATION_LEVEL_MINUS_1) return { cause: CAUSES[1], level: -1 };
  if (status === EXTERNAL_ABORT) return { cause: 'external abort', level: undefined };
  return { cause: `fault status 0x${status.toString(16)}`, level: undefined };
}

import { Access, type AccessList, Privilege } from '../access-list.ts';
import { EntryKind } from '../entry-kind.ts';
import { type OutcomeList, StructuralFault } from '../outcome-list.ts';
import { permissionBit } from '../permissions.ts';
import { accessRecordProblem, prepareOutcomes } from '../walk-columns.ts';
import { abortSyndrome, ExceptionClass, FaultStatus, faultStatusCode } from './walk-fault.ts';
import type { AArch64PageWalk } from './walk-page.ts';
import type { StageOne, WalkRange } from './walk-stage-one.ts';

/** Predicts accesses on AArch64; see `Walker.predict`. */
export function predictAArch64(walk: AArch64PageWalk, accesses: AccessList, outcomes: OutcomeList): void {
  const { stage } = walk;
  const { memoryTypes } = stage;
  const records = accesses.words;
  const faultAddress = prepareOutcomes(outcomes, accesses.length);
  const lastPrivilege = stage.regime.hasUser ? Privilege.User : Privilege.Supervisor;
  walk.forget();
  for (let i = 0, at = 0; i < accesses.length; i++, at += 4) {
    const low = records[at] as number;
    const high = records[at + 1] as number;
    const kind = records[at + 2] as number;
    const access = (kind & 0xff) as Access;
    const privilege = ((kind >>> 8) & 0xff) as Privilege;
    if (access > Access.Execute || privilege > lastPrivilege) throw accessRecordProblem(accesses, i);

    const range = rangeOf(stage, high);
    let status = statusBeforeWalk(range, low, high, access, privilege);
    if (status === NO_FAULT) {
      walk.walk(range, low, high);
      if (walk.end === EntryKind.Missing) {
        outcomes.fault[i] = StructuralFault.TableOutsideMemory;
        outcomes.physicalAddress[i] = walk.entryAddress;
        continue;
      }
      status = statusAfterWalk(walk, access, privilege);
    }
    if (status === NO_FAULT) {
      outcomes.physicalAddress[i] = walk.physicalAddress(low, high);
      const type = walk.memoryTypeIndex;
      outcomes.memoryType[i] = memoryTypes.types[type] as number;
      outcomes.known[i] = memoryTypes.known[type] as number;
    } else {
      outcomes.fault[i] = syndrome(access, privilege, status);
      faultAddress[2 * i] = low;
      faultAddress[2 * i + 1] = access === Access.Execute ? fetchedHigh(stage, range, high) : high;
    }
  }
}

const NO_FAULT = -1;

/** The range that address bit 55 selects; where there is only one, it is that. */
export function rangeOf(stage: StageOne, high: number): WalkRange {
  const upper = stage.ranges.length === 2 && (high & 0x0080_0000) !== 0;
  return stage.ranges[upper ? 1 : 0] as WalkRange;
}

/** The fault status of an access that fails before the first descriptor is read (Arm ARM D8.2). */
function statusBeforeWalk(
  range: WalkRange,
  low: number,
  high: number,
  access: Access,
  privilege: Privilege,
): number {
  const sign = access === Access.Execute ? range.fetchSign : range.dataSign;
  const isInRange = range.upper
    ? ((~low & sign.low) | (~high & sign.high)) === 0
    : ((low & sign.low) | (high & sign.high)) === 0;
  if (!isInRange || range.disabled || (range.userDisabled && privilege === Privilege.User)) {
    return faultStatusCode(FaultStatus.Translation, 0);
  }
  return range.rootOutOfRange ? faultStatusCode(FaultStatus.AddressSize, 0) : NO_FAULT;
}

/** Whether an access faults before the first descriptor is read. */
export function refusesBeforeWalk(
  range: WalkRange,
  low: number,
  high: number,
  access: Access,
  privilege: Privilege,
): boolean {
  return statusBeforeWalk(range, low, high, access, privilege) !== NO_FAULT;
}

/** The fault status after a walk that met memory everywhere. */
function statusAfterWalk(walk: AArch64PageWalk, access: Access, privilege: Privilege): number {
  const { level } = walk;
  if (walk.end === EntryKind.Invalid) return faultStatusCode(FaultStatus.Translation, level);
  if (walk.end === EntryKind.Malformed) return faultStatusCode(FaultStatus.AddressSize, level);
  if (walk.lacksAccessFlag) return faultStatusCode(FaultStatus.AccessFlag, level);
  const allowed = walk.stage.permissions[walk.restrictions] as number;
  return (allowed & permissionBit(access, privilege)) !== 0
    ? NO_FAULT
    : faultStatusCode(FaultStatus.Permission, level);
}

/** ESR of a fault that the regime's own exception level takes. */
function syndrome(access: Access, privilege: Privilege, status: number): number {
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

/**
 * The high word of the address that a branch to a tagged address fetches from: where the top byte is ignored,
 * it is replaced by copies of bit 55, or by zero where there is one range (Arm ARM, BranchAddr).
 */
function fetchedHigh(stage: StageOne, range: WalkRange, high: number): number {
  if (!range.fetchDropsTopByte) return high;
  const untagged = high & 0x00ff_ffff;
  return stage.ranges.length === 2 && range.upper ? (untagged | 0xff00_0000) >>> 0 : untagged;
}

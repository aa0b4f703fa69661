import { Access, type AccessList, Privilege } from '../access-list.ts';
import { EntryKind } from '../entry-kind.ts';
import { type OutcomeList, StructuralFault } from '../outcome-list.ts';
import { type PermissionMask, permissionBit } from '../permissions.ts';
import { accessRecordProblem, prepareOutcomes } from '../walk-columns.ts';
import { FaultStatus, faultStatusCode, syndrome } from './walk-fault.ts';
import type { AArch64PageWalk } from './walk-page.ts';
import { type AddressRange, rangeOf, type WalkRange } from './walk-stage.ts';
import type { StageOne } from './walk-stage-one.ts';

/** Predicts accesses on AArch64; see `Walker.predict`. */
export function predictAArch64(
  stage: StageOne,
  walk: AArch64PageWalk,
  accesses: AccessList,
  outcomes: OutcomeList,
): void {
  const { memoryTypes, ranges } = stage;
  const records = accesses.words;
  const faultAddress = prepareOutcomes(outcomes, accesses.length);
  const lastPrivilege = stage.hasUser ? Privilege.User : Privilege.Supervisor;
  walk.forget();
  for (let i = 0, at = 0; i < accesses.length; i++, at += 4) {
    const low = records[at] as number;
    const high = records[at + 1] as number;
    const kind = records[at + 2] as number;
    const access = (kind & 0xff) as Access;
    const privilege = ((kind >>> 8) & 0xff) as Privilege;
    if (access > Access.Execute || privilege > lastPrivilege) throw accessRecordProblem(accesses, i);

    const range = rangeOf(ranges, high);
    let status = statusBeforeWalk(range, low, high, access, privilege);
    if (status === NO_FAULT) {
      walk.walk(range, low, high);
      if (walk.end === EntryKind.Missing) {
        outcomes.fault[i] = StructuralFault.TableOutsideMemory;
        outcomes.physicalAddress[i] = walk.entryAddress;
        continue;
      }
      status = statusAfterWalk(walk, permissionBit(access, privilege));
    }
    if (status === NO_FAULT) {
      outcomes.physicalAddress[i] = walk.physicalAddress(low, high);
      const type = walk.memoryTypeIndex;
      outcomes.memoryType[i] = memoryTypes.types[type] as number;
      outcomes.known[i] = memoryTypes.known[type] as number;
    } else {
      outcomes.fault[i] = syndrome(access, privilege, status);
      faultAddress[2 * i] = low;
      faultAddress[2 * i + 1] =
        access === Access.Execute ? fetchedHigh(range, ranges.length === 2, high) : high;
    }
  }
}

/** A status that is none. */
export const NO_FAULT = -1;

/** The fault status of an access that fails before the first descriptor is read (Arm ARM D8.2). */
export function statusBeforeWalk(
  range: WalkRange,
  low: number,
  high: number,
  access: Access,
  privilege: Privilege,
): number {
  if (
    !isInRange(range, low, high, access) ||
    range.disabled ||
    (range.userDisabled && privilege === Privilege.User)
  ) {
    return faultStatusCode(FaultStatus.Translation, 0);
  }
  return range.rootOutOfRange ? faultStatusCode(FaultStatus.AddressSize, 0) : NO_FAULT;
}

/** Whether the bits above the input address all equal bit 55. */
export function isInRange(range: AddressRange, low: number, high: number, access: Access): boolean {
  const sign = access === Access.Execute ? range.fetchSign : range.dataSign;
  return range.upper
    ? ((~low & sign.low) | (~high & sign.high)) === 0
    : ((low & sign.low) | (high & sign.high)) === 0;
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
export function statusAfterWalk(walk: AArch64PageWalk, permission: PermissionMask): number {
  const { level } = walk;
  if (walk.end === EntryKind.Invalid) return faultStatusCode(FaultStatus.Translation, level);
  if (walk.end === EntryKind.Malformed) return faultStatusCode(FaultStatus.AddressSize, level);
  if (walk.lacksAccessFlag) return faultStatusCode(FaultStatus.AccessFlag, level);
  const allowed = walk.stage.permissions[walk.restrictions] as number;
  return (allowed & permission) !== 0 ? NO_FAULT : faultStatusCode(FaultStatus.Permission, level);
}

/**
 * The high word of the address that a branch to a tagged address fetches from: where the top byte is ignored,
 * it is replaced by copies of bit 55, or by zero where there is one range (Arm ARM, BranchAddr).
 */
export function fetchedHigh(range: AddressRange, twoRanges: boolean, high: number): number {
  if (!range.fetchDropsTopByte) return high;
  const untagged = high & 0x00ff_ffff;
  return twoRanges && range.upper ? (untagged | 0xff00_0000) >>> 0 : untagged;
}

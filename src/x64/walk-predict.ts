import { Access, AccessFlag, type AccessList, Privilege } from '../access-list.ts';
import { EntryKind } from '../entry-kind.ts';
import { type OutcomeList, StructuralFault, x64Fault } from '../outcome-list.ts';
import { permissionBit } from '../permissions.ts';
import { accessRecordProblem, prepareOutcomes } from '../walk-columns.ts';
import { PageFaultError, Vector } from './walk-fault.ts';
import type { X64PageWalk } from './walk-page.ts';
import type { X64Paging } from './walk-paging.ts';
import { RightsIndex, WITH_AC_SHIFT } from './walk-rights.ts';

/** Predicts accesses on x64; see `Walker.predict`. */
export function predictX64(walk: X64PageWalk, accesses: AccessList, outcomes: OutcomeList): void {
  const { paging } = walk;
  const records = accesses.words;
  const faultAddress = prepareOutcomes(outcomes, accesses.length);
  walk.forget();
  for (let i = 0, at = 0; i < accesses.length; i++, at += 4) {
    const low = records[at] as number;
    const high = records[at + 1] as number;
    const kind = records[at + 2] as number;
    const access = (kind & 0xff) as Access;
    const privilege = ((kind >>> 8) & 0xff) as Privilege;
    const flags = (kind >>> 16) & 0xff;
    if (access > Access.Execute || privilege > Privilege.User) throw accessRecordProblem(accesses, i);

    if (!isCanonical(paging, high)) {
      const throughStack = (flags & AccessFlag.Stack) !== 0 && access !== Access.Execute;
      outcomes.fault[i] = throughStack ? STACK_FAULT : GENERAL_PROTECTION;
      continue;
    }
    walk.walk(low, high);
    if (walk.end === EntryKind.Missing) {
      outcomes.fault[i] = StructuralFault.TableOutsideMemory;
      outcomes.physicalAddress[i] = walk.entryAddress;
      continue;
    }
    const pkru = (flags & AccessFlag.ProtectionKeys) !== 0 ? (records[at + 3] as number) : 0;
    const error = pageFaultError(walk, access, privilege, flags, pkru);
    if (error === undefined) {
      outcomes.physicalAddress[i] = walk.physicalAddress(low);
      outcomes.memoryType[i] = walk.memoryType;
    } else {
      outcomes.fault[i] = x64Fault(Vector.PageFault, error);
      faultAddress[2 * i] = low;
      faultAddress[2 * i + 1] = high;
    }
  }
}

/** Whether an address with this high word is canonical (SDM Vol. 1 §3.3.7.1). */
export function isCanonical(paging: X64Paging, high: number): boolean {
  const upper = (high | 0) >> paging.canonicalShift;
  return upper === 0 || upper === -1;
}

/** What a non-canonical address raises, and what it raises through the stack segment. */
const GENERAL_PROTECTION = x64Fault(Vector.GeneralProtection, 0);
const STACK_FAULT = x64Fault(Vector.StackFault, 0);

/** The error code of the page fault that an access raises after `walk` (§4.7), or undefined if it completes. */
function pageFaultError(
  walk: X64PageWalk,
  access: Access,
  privilege: Privilege,
  flags: number,
  pkru: number,
): number | undefined {
  const { paging } = walk;
  const leaf = walk.end === EntryKind.Leaf;
  let cause = 0;
  if (leaf) {
    const keyed = pkru !== 0 && isKeptByProtectionKey(walk, access, privilege, pkru);
    const allowed = x64PermissionsOf(walk, flags);
    if (!keyed && (allowed & permissionBit(access, privilege)) !== 0) return undefined;
    cause = keyed ? PageFaultError.Present | PageFaultError.ProtectionKey : PageFaultError.Present;
  } else if (walk.end === EntryKind.Malformed) {
    cause = PageFaultError.Present | PageFaultError.Reserved;
  }
  return cause | accessError(paging, access, privilege);
}

/** The permissions of the last walk's page under the flags of an access, protection keys aside. */
export function x64PermissionsOf(walk: X64PageWalk, flags: number): number {
  const both = walk.paging.permissions[walk.rights] as number;
  return (flags & AccessFlag.AlignmentCheck) !== 0 ? both >>> WITH_AC_SHIFT : both & 0x3f;
}

/** The rule of protection keys (SDM Vol. 3A §4.6.2): PKRU guards data at user-mode addresses. */
export function isKeptByProtectionKey(
  walk: X64PageWalk,
  access: Access,
  privilege: Privilege,
  pkru: number,
): boolean {
  const { paging } = walk;
  if (!paging.protectionKeys || access === Access.Execute || (walk.rights & RightsIndex.User) === 0)
    return false;
  const key = pkru >>> (2 * walk.protectionKey);
  const accessDisable = (key & 1) !== 0;
  const writeDisable = (key & 2) !== 0;
  return (
    accessDisable ||
    (writeDisable && access === Access.Write && (privilege === Privilege.User || paging.writeProtect))
  );
}

/** The bits of the error code that describe the access and not the tables. */
function accessError(paging: X64Paging, access: Access, privilege: Privilege): number {
  let error = privilege === Privilege.User ? PageFaultError.User : 0;
  if (access === Access.Write) error |= PageFaultError.Write;
  if (access === Access.Execute && paging.reportsFetch) error |= PageFaultError.Fetch;
  return error;
}

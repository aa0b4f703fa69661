import { Access, Privilege } from '../access-list.ts';
import { forEachPermission, type PermissionMask } from '../permissions.ts';

/**
 * What descriptors take away. Bits 59 to 62 of a table descriptor stand in this order, and a leaf's bits are
 * brought into it, so that a walk only ORs them. At stage 2 the leaf's bits of the same positions mean other
 * things ({@link stageTwoAllows}).
 */
export const Restriction = {
  /** PXN, PXNTable */
  PrivilegedExecute: 1,
  /** UXN, UXNTable; XN, XNTable in a regime without EL0 */
  UserExecute: 2,
  /** AP[1] = 0, APTable[0] = 1 */
  UserAccess: 4,
  /** AP[2] = 1, APTable[1] = 1 */
  Write: 8,
} as const;

/** What decides about access rights besides the descriptors. */
export interface AArch64ProtectionMode {
  /** Whether the regime has accesses from EL0. */
  readonly hasUser: boolean;
  /** SCTLR_ELx.WXN: what is writable is not executable. */
  readonly writeExecuteNever: boolean;
}

/**
 * Whether descriptors with these {@link Restriction}s together allow an access (Arm ARM D8.4, direct
 * permissions). PSTATE.PAN is taken as 0.
 */
export function aarch64Allows(
  mode: AArch64ProtectionMode,
  restrictions: number,
  access: Access,
  privilege: Privilege,
): boolean {
  const without = (bit: number) => (restrictions & bit) === 0;
  const userReads = mode.hasUser && without(Restriction.UserAccess);
  const userWrites = userReads && without(Restriction.Write);
  if (privilege === Privilege.User) {
    switch (access) {
      case Access.Read:
        return userReads;
      case Access.Write:
        return userWrites;
      case Access.Execute:
        return mode.hasUser && without(Restriction.UserExecute) && !(mode.writeExecuteNever && userWrites);
    }
  }
  const writes = without(Restriction.Write);
  switch (access) {
    case Access.Read:
      return true;
    case Access.Write:
      return writes;
    case Access.Execute: {
      const executeNever = mode.hasUser ? Restriction.PrivilegedExecute : Restriction.UserExecute;
      return without(executeNever) && !userWrites && !(mode.writeExecuteNever && writes);
    }
  }
}

/** {@link aarch64Allows} for every case: a {@link PermissionMask} by restrictions. */
export function aarch64PermissionTable(mode: AArch64ProtectionMode): Uint8Array {
  return permissionTable((restrictions, access, privilege) =>
    aarch64Allows(mode, restrictions, access, privilege),
  );
}

/** XN[1:0], bits 54:53 of a leaf of stage 2, as they stand in the restrictions. */
const EXECUTE_NEVER = 0b11;
/** Values of XN[1:0] under which a privilege may execute (FEAT_XNX). */
const EXECUTABLE: Readonly<Record<Privilege, readonly number[]>> = {
  [Privilege.Supervisor]: [0b00, 0b11],
  [Privilege.User]: [0b00, 0b01],
};

/**
 * Whether a leaf of stage 2 allows an access (Arm ARM D8.4): S2AP[0] clear stands as `UserAccess` and forbids
 * reading, S2AP[1] clear stands as `Write`. Execution needs no right to read.
 * @param byLevel FEAT_XNX: XN tells EL1 from EL0; otherwise XN[0] is ignored
 */
export function stageTwoAllows(
  byLevel: boolean,
  restrictions: number,
  access: Access,
  privilege: Privilege,
): boolean {
  switch (access) {
    case Access.Read:
      return (restrictions & Restriction.UserAccess) === 0;
    case Access.Write:
      return (restrictions & Restriction.Write) === 0;
    case Access.Execute:
      return byLevel
        ? EXECUTABLE[privilege].includes(restrictions & EXECUTE_NEVER)
        : (restrictions & Restriction.UserExecute) === 0;
  }
}

/** {@link stageTwoAllows} for every case: a {@link PermissionMask} by restrictions. */
export function stageTwoPermissionTable(byLevel: boolean): Uint8Array {
  return permissionTable((restrictions, access, privilege) =>
    stageTwoAllows(byLevel, restrictions, access, privilege),
  );
}

function permissionTable(
  allows: (restrictions: number, access: Access, privilege: Privilege) => boolean,
): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, restrictions): PermissionMask => {
    let mask = 0;
    forEachPermission((access, privilege, bit) => {
      if (allows(restrictions, access, privilege)) mask |= bit;
    });
    return mask;
  });
}

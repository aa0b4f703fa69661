import { Access, Privilege } from './access-list.ts';

/**
 * Which accesses a translation allows: one bit for each access at each privilege, bit
 * `access + 3 × privilege` ({@link permissionBit}).
 */
export type PermissionMask = number;

/** What one privilege may do with a page. */
export interface Rights {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** What both privileges may do with a page; where a regime has no user accesses, `user` is all false. */
export interface Permissions {
  readonly supervisor: Rights;
  readonly user: Rights;
}

/** All six bits. */
export const PERMISSIONS_ALL: PermissionMask = 0x3f;

export function permissionBit(access: Access, privilege: Privilege): PermissionMask {
  return 1 << (access + 3 * privilege);
}

/** Calls back for each access at each privilege. */
export function forEachPermission(
  callback: (access: Access, privilege: Privilege, bit: PermissionMask) => void,
): void {
  for (const privilege of Object.values(Privilege)) {
    for (const access of Object.values(Access)) callback(access, privilege, permissionBit(access, privilege));
  }
}

export function permissionsOf(mask: PermissionMask): Permissions {
  return { supervisor: rightsOf(mask, Privilege.Supervisor), user: rightsOf(mask, Privilege.User) };
}

/** "supervisor rwx, user r--". */
export function permissionText(mask: PermissionMask): string {
  return `supervisor ${rightsText(mask, Privilege.Supervisor)}, user ${rightsText(mask, Privilege.User)}`;
}

function rightsOf(mask: PermissionMask, privilege: Privilege): Rights {
  return {
    read: (mask & permissionBit(Access.Read, privilege)) !== 0,
    write: (mask & permissionBit(Access.Write, privilege)) !== 0,
    execute: (mask & permissionBit(Access.Execute, privilege)) !== 0,
  };
}

function rightsText(mask: PermissionMask, privilege: Privilege): string {
  const rights = rightsOf(mask, privilege);
  return `${rights.read ? 'r' : '-'}${rights.write ? 'w' : '-'}${rights.execute ? 'x' : '-'}`;
}

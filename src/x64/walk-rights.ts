import { Access, Privilege } from '../access-list.ts';
import { forEachPermission, type PermissionMask } from '../permissions.ts';

/** What all entries of a translation say together. */
export interface X64Rights {
  /** R/W = 1 in every entry. */
  readonly writable: boolean;
  /** U/S = 1 in every entry: the address is a user-mode address. */
  readonly user: boolean;
  /** XD = 1 in some entry. */
  readonly executeDisable: boolean;
}

/** The register bits that decide about access rights. */
export interface X64ProtectionMode {
  /** CR0.WP */
  readonly writeProtect: boolean;
  /** IA32_EFER.NXE */
  readonly noExecute: boolean;
  /** CR4.SMEP */
  readonly smep: boolean;
  /** CR4.SMAP */
  readonly smap: boolean;
}

/**
 * Whether the rights allow an access, protection keys aside: the rules of Intel SDM Vol. 3A §4.6.1, in the
 * manual's order. `ac` is EFLAGS.AC.
 */
export function x64Allows(
  mode: X64ProtectionMode,
  rights: X64Rights,
  access: Access,
  privilege: Privilege,
  ac: boolean,
): boolean {
  const fetchable = !(mode.noExecute && rights.executeDisable);
  if (privilege === Privilege.User) {
    if (!rights.user) return false;
    switch (access) {
      case Access.Read:
        return true;
      case Access.Write:
        return rights.writable;
      case Access.Execute:
        return fetchable;
    }
  }
  switch (access) {
    case Access.Read:
      return !isKeptByAccessPrevention(mode, rights, ac);
    case Access.Write:
      return !isKeptByAccessPrevention(mode, rights, ac) && (rights.writable || !mode.writeProtect);
    case Access.Execute:
      return fetchable && !(mode.smep && rights.user);
  }
}

/** Supervisor-mode access prevention: data at user-mode addresses needs EFLAGS.AC = 1. */
function isKeptByAccessPrevention(mode: X64ProtectionMode, rights: X64Rights, ac: boolean): boolean {
  return mode.smap && rights.user && !ac;
}

/** Position of the permissions that hold with EFLAGS.AC = 1 in an element of {@link x64PermissionTable}. */
export const WITH_AC_SHIFT = 6;

/** Index into {@link x64PermissionTable}. */
export const RightsIndex = { Writable: 1, User: 2, ExecuteDisable: 4 } as const;

/**
 * {@link x64Allows} for every case, for the bulk walk: element {@link RightsIndex} holds the
 * {@link PermissionMask} with EFLAGS.AC = 0, and from bit {@link WITH_AC_SHIFT} the one with EFLAGS.AC = 1.
 */
export function x64PermissionTable(mode: X64ProtectionMode): Uint16Array {
  return Uint16Array.from({ length: 8 }, (_, index) => {
    const rights = {
      writable: (index & RightsIndex.Writable) !== 0,
      user: (index & RightsIndex.User) !== 0,
      executeDisable: (index & RightsIndex.ExecuteDisable) !== 0,
    };
    return maskOf(mode, rights, false) | (maskOf(mode, rights, true) << WITH_AC_SHIFT);
  });
}

function maskOf(mode: X64ProtectionMode, rights: X64Rights, ac: boolean): PermissionMask {
  let mask = 0;
  forEachPermission((access, privilege, bit) => {
    if (x64Allows(mode, rights, access, privilege, ac)) mask |= bit;
  });
  return mask;
}

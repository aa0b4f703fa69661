import { Access, Privilege } from '../src/access-list.ts';
import { MemoryAttributes } from '../src/memory-attributes.ts';
import type { Rights } from '../src/permissions.ts';
import type { Architecture, Registers } from '../src/registers.ts';
import { memoryTypesOf } from './expectation-memory-type.ts';
import { shareabilityBits } from './inputs/layout/aarch64-region.ts';
import type { LayoutRegion } from './inputs/layout/layout.ts';

/**
 * What a declaration says of accesses. This is a plain statement of what each attribute means to whoever
 * touches the memory. It knows nothing of tables, and shares no code with the engine or the walker: that is
 * what makes a comparison with them worth something.
 */

/** What a layout declares of a page, or what the engine's query says of it. */
export type PageStatement = Pick<LayoutRegion, 'attributes' | 'x64' | 'aarch64'>;

/** What a declaration expects of one access. */
export const Expected = {
  /** It completes, at the declared physical address, with the declared memory type. */
  Completes: 0,
  /** Nothing is mapped there: the translation itself fails. */
  Unmapped: 1,
  /** There is a translation, but it forbids this access. */
  Forbidden: 2,
} as const;
export type Expected = (typeof Expected)[keyof typeof Expected];

/** What the architecture and its control registers make of a declaration, whatever the tables say. */
export interface PermissionControls {
  readonly architecture: Architecture;
  /**
   * What is not declared supervisor belongs to the user: on x64, and at stage 2, which does not tell EL0 from EL1. Stage 1
   * of AArch64 gives EL0 no data access but what is declared for it.
   */
  readonly userMayAccessData: boolean;
  /** x64 CR4.SMEP clear (SDM Vol. 3A §4.6.1): a supervisor may execute what belongs to the user. */
  readonly supervisorMayExecuteUserPages: boolean;
  /** x64 CR4.SMAP clear (§4.6.1): a supervisor may read and write what belongs to the user. */
  readonly supervisorMayAccessUserPages: boolean;
}

const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;
/** HCR_EL2.VM and DC, each of which puts stage 2 in force (Arm ARM D19.2.48). */
const HCR_STAGE_TWO = (1n << 0n) | (1n << 12n);

/**
 * The controls that the registers set. Those that let an access through in spite of the tables (CR0.WP or
 * EFER.NXE clear) are none of them: what is declared read-only is to be read-only, and a register that
 * prevents it is a finding.
 */
export function permissionControls(registers: Registers): PermissionControls {
  const isX64 = registers.architecture === 'x64';
  return {
    architecture: registers.architecture,
    userMayAccessData: isX64 || (registers.exceptionLevel === 1 && (registers.hcrEl2 & HCR_STAGE_TWO) !== 0n),
    supervisorMayExecuteUserPages: !isX64 || (registers.cr4 & CR4_SMEP) === 0n,
    supervisorMayAccessUserPages: !isX64 || (registers.cr4 & CR4_SMAP) === 0n,
  };
}

/**
 * What a region promises to one access; undefined is no region at all.
 *
 * - read-protect: not accessible in any way (there is no write-only or execute-only memory to declare);
 * - read-only: writes are forbidden; execute-protect: fetches are forbidden;
 * - supervisor: every access of the user is forbidden. Without it the user has what the supervisor has on
 *   x64; on AArch64 EL0 reads and writes nothing, but executes what is not execute-protected (Arm ARM
 *   D8.4.1: execution does not need readability).
 * - where it is said what the user may do, that holds for the user, and the attributes hold for the supervisor;
 *   where it is said what the guest may do, that holds for both.
 */
function expectedOf(
  statement: PageStatement | undefined,
  access: Access,
  privilege: Privilege,
  controls: PermissionControls,
): Expected {
  if (statement === undefined) return Expected.Unmapped;
  const { attributes, aarch64 } = statement;
  if ((attributes & MemoryAttributes.ReadProtect) !== 0) return Expected.Unmapped;
  const rights = privilege === Privilege.User ? (aarch64?.user ?? aarch64?.guest) : aarch64?.guest;
  if (rights !== undefined) return includes(rights, access) ? Expected.Completes : Expected.Forbidden;
  const isForbidden =
    (access === Access.Write && (attributes & MemoryAttributes.ReadOnly) !== 0) ||
    (access === Access.Execute && (attributes & MemoryAttributes.ExecuteProtect) !== 0) ||
    isForbiddenTo(privilege, access, (attributes & MemoryAttributes.Supervisor) !== 0, controls);
  return isForbidden ? Expected.Forbidden : Expected.Completes;
}

function includes({ read, write, execute }: Rights, access: Access): boolean {
  switch (access) {
    case Access.Read:
      return read;
    case Access.Write:
      return write;
    case Access.Execute:
      return execute;
  }
}

function isForbiddenTo(
  privilege: Privilege,
  access: Access,
  isSupervisorOnly: boolean,
  controls: PermissionControls,
): boolean {
  const isFetch = access === Access.Execute;
  if (privilege === Privilege.User) return isSupervisorOnly || !(isFetch || controls.userMayAccessData);
  if (isSupervisorOnly) return false;
  return isFetch ? !controls.supervisorMayExecuteUserPages : !controls.supervisorMayAccessUserPages;
}

/** All that a region, or the lack of one, promises. */
export interface Expectation {
  /** {@link Expected} by `access + 3 × privilege`. */
  readonly byAccess: Uint8Array;
  /** Nonzero for each memory type (low byte of the column) that fulfils the declaration. */
  readonly memoryTypes: Uint8Array;
  /** The shareability that fulfils it, as in the `memoryType` column; undefined if none is declared. */
  readonly shareability: number | undefined;
}

/** The expectation of a page of which something is said, or of one that is not mapped. */
export function expectationOf(
  statement: PageStatement | undefined,
  controls: PermissionControls,
): Expectation {
  const byAccess = new Uint8Array(6);
  for (const privilege of [Privilege.Supervisor, Privilege.User]) {
    for (const access of [Access.Read, Access.Write, Access.Execute]) {
      byAccess[access + 3 * privilege] = expectedOf(statement, access, privilege, controls);
    }
  }
  const share = statement?.aarch64?.share;
  return {
    byAccess,
    memoryTypes: memoryTypesOf(statement, controls.architecture),
    shareability: share === undefined ? undefined : shareabilityBits(share),
  };
}

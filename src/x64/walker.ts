import { type Access, AccessFlag, type AccessList, type Privilege } from '../access-list.ts';
import { type Address, toBigInt } from '../addresses.ts';
import { DEFAULT_LEAF_LIMIT, type LeafList } from '../leaf-list.ts';
import { type ScanRoot, scanDeadEnds, scanLeaves } from '../leaf-scan.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { OutcomeList } from '../outcome-list.ts';
import { forEachPermission, type Permissions, permissionsOf } from '../permissions.ts';
import type { X64Registers } from '../registers.ts';
import type { AccessRequest, Translation, WalkStep } from '../translation.ts';
import { translateOne } from '../walk-single.ts';
import type { Walker } from '../walker.ts';
import { x64EntryFormat } from './walk-entry.ts';
import { explainX64 } from './walk-explain.ts';
import { decodeX64Fault, describeX64Fault, Vector, x64MemoryTypeName } from './walk-fault.ts';
import { X64PageWalk } from './walk-page.ts';
import { decodeX64Paging, LEVEL_NAMES, LEVEL_SHIFT, type X64Paging } from './walk-paging.ts';
import { isCanonical, isKeptByProtectionKey, predictX64, x64PermissionsOf } from './walk-predict.ts';

/** A walker for 4-level and 5-level paging; see `createWalker`. */
export function createX64Walker(memory: PhysicalMemory, registers: X64Registers): Walker {
  const paging = decodeX64Paging(registers);
  const walk = new X64PageWalk(memory, paging);
  const root = scanRoot(paging);
  const predict = (accesses: AccessList, outcomes: OutcomeList) => predictX64(walk, accesses, outcomes);
  return {
    registers,
    predict,
    translate: (request: AccessRequest): Translation =>
      translateOne(request, {
        predict,
        level: () => ({ level: walk.level, levelName: LEVEL_NAMES[walk.level] as string }),
        completion: (completed, memoryType) => ({
          pageSize: 1n << BigInt(LEVEL_SHIFT[walk.level] as number),
          memoryTypeName: x64MemoryTypeName(memoryType),
          permissions: permissionsUnder(walk, completed),
        }),
        fault: (fault) => {
          const decoded = decodeX64Fault(fault);
          const hasAddress = decoded.vector === Vector.PageFault;
          return { decoded, description: describeX64Fault(fault), hasAddress };
        },
      }),
    explain: (address: Address): WalkStep[] => {
      const at = toBigInt(address);
      const high = Number(at >> 32n);
      return isCanonical(paging, high) ? explainX64(walk, Number(at & 0xffff_ffffn), high) : [];
    },
    leaves: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanLeaves(memory, [root], limit),
    deadEnds: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanDeadEnds(memory, [root], limit),
  };
}

/** What the last walk's page allows under EFLAGS.AC and PKRU of a request. */
function permissionsUnder(walk: X64PageWalk, request: AccessRequest): Permissions {
  const flags = request.flags ?? 0;
  const pkru = (flags & AccessFlag.ProtectionKeys) !== 0 ? (request.pkru ?? 0) : 0;
  let mask = x64PermissionsOf(walk, flags);
  forEachPermission((access: Access, privilege: Privilege, bit) => {
    if (isKeptByProtectionKey(walk, access, privilege, pkru)) mask &= ~bit;
  });
  return permissionsOf(mask);
}

/** The top-level table, whose upper half translates the upper half of the canonical addresses. */
function scanRoot(paging: X64Paging): ScanRoot {
  const shift = (LEVEL_SHIFT[paging.levels] as number) - 12;
  const hole = 2 ** 52 - 2 ** (shift + 9);
  return {
    format: x64EntryFormat(paging),
    frame: paging.rootFrame,
    byteOffset: 0,
    entries: 512,
    height: paging.levels,
    pageOf: (index) => index * 2 ** shift + (index < 256 ? 0 : hole),
  };
}

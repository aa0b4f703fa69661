import { FRAME_SIZE, frameOfEntry, wordsToBigInt } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import { permissionsOf } from '../permissions.ts';
import type { WalkStep } from '../translation.ts';
import { EntryHigh, EntryLow, PROTECTION_KEY_SHIFT } from './entry-bits.ts';
import { entryKind, isLeafEntry, leafFrame } from './walk-entry.ts';
import type { X64PageWalk } from './walk-page.ts';
import { LEVEL_NAMES, PT_LEVEL, type X64Paging } from './walk-paging.ts';
import { x64PermissionsOf } from './walk-predict.ts';

/** The entries that translate a canonical address, from the root; see `Walker.explain`. */
export function explainX64(walk: X64PageWalk, low: number, high: number): WalkStep[] {
  walk.forget();
  walk.walk(low, high);
  const steps: WalkStep[] = [];
  for (let level: number = walk.paging.levels; level >= walk.level; level--) {
    steps.push(stepAt(walk, level));
  }
  return steps;
}

function stepAt(walk: X64PageWalk, level: number): WalkStep {
  const { paging } = walk;
  const tableAddress = BigInt(walk.tableFrames[level] as number) * BigInt(FRAME_SIZE);
  const index = walk.indices[level] as number;
  const entryAddress = tableAddress + BigInt(index * 8);
  const place = { level, levelName: LEVEL_NAMES[level] as string, tableAddress, index, entryAddress };
  const words = walk.memory.frameWords(walk.tableFrames[level] as number);
  if (words === undefined) {
    const nothing = { entry: undefined, flags: [], forbids: [], next: undefined, permissions: undefined };
    return { ...place, ...nothing, kind: 'fault', problem: 'no memory holds this table' };
  }
  const low = words[2 * index] as number;
  const high = words[2 * index + 1] as number;
  const entry = wordsToBigInt(low, high);
  const kind = entryKind(paging, level, low, high);
  const isLeaf = kind === EntryKind.Leaf;
  if (kind !== EntryKind.Table && !isLeaf) {
    const problem =
      kind === EntryKind.Invalid ? 'not present' : `reserved: ${reservedBits(paging, level, low, high)}`;
    const flags = kind === EntryKind.Invalid ? [] : flagNames(paging, level, low, high);
    return {
      ...place,
      entry,
      kind: 'fault',
      flags,
      forbids: [],
      next: undefined,
      problem,
      permissions: undefined,
    };
  }
  const frame = isLeaf ? leafFrame(level, low, high) : frameOfEntry(low, high);
  return {
    ...place,
    entry,
    kind: isLeaf ? 'leaf' : 'table',
    flags: flagNames(paging, level, low, high),
    forbids: forbidden(paging, low, high),
    next: BigInt(frame) * BigInt(FRAME_SIZE),
    problem: undefined,
    permissions: isLeaf ? permissionsOf(x64PermissionsOf(walk, 0)) : undefined,
  };
}

/** The manual's names of the bits that are set (tables 4-14 to 4-20). */
function flagNames(paging: X64Paging, level: number, low: number, high: number): string[] {
  const isLeaf = isLeafEntry(level, low);
  const names: string[] = [];
  const add = (bit: number, name: string) => {
    if (bit !== 0) names.push(name);
  };
  add(low & EntryLow.Present, 'P');
  add(low & EntryLow.Writable, 'R/W');
  add(low & EntryLow.User, 'U/S');
  add(low & EntryLow.WriteThrough, 'PWT');
  add(low & EntryLow.CacheDisable, 'PCD');
  add(low & EntryLow.Accessed, 'A');
  if (isLeaf) add(low & EntryLow.Dirty, 'D');
  if (level !== PT_LEVEL) add(low & EntryLow.PageSize, 'PS');
  if (isLeaf) {
    add(low & EntryLow.Global, 'G');
    add(low & (level === PT_LEVEL ? EntryLow.PatOfPage : EntryLow.PatOfLargePage), 'PAT');
    const key = (high & EntryHigh.ProtectionKey) >>> PROTECTION_KEY_SHIFT;
    if (paging.protectionKeys) add(key, `key ${key}`);
  }
  add(high & EntryHigh.ExecuteDisable, 'XD');
  return names;
}

/** What the entry alone takes away, whatever the leaf says. */
function forbidden(paging: X64Paging, low: number, high: number): string[] {
  const names: string[] = [];
  if ((low & EntryLow.Writable) === 0) names.push(paging.writeProtect ? 'write' : 'user write');
  if ((low & EntryLow.User) === 0) names.push('user access');
  if ((high & EntryHigh.ExecuteDisable) !== 0) names.push('execute');
  return names;
}

/** The reserved bits that are set, by position. */
function reservedBits(paging: X64Paging, level: number, low: number, high: number): string {
  const table = isLeafEntry(level, low) ? paging.reservedInLeaf : paging.reservedInTable;
  const reserved = wordsToBigInt(low & (table[level] as number), high & paging.reservedHigh);
  const positions = reserved.toString(2).split('').reverse();
  const set = positions.flatMap((bit, position) => (bit === '1' ? [position] : []));
  return `${set.length === 1 ? 'bit' : 'bits'} ${set.join(', ')}`;
}

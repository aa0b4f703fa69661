import { wordsToBigInt } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import { permissionsOf } from '../permissions.ts';
import type { WalkStep } from '../translation.ts';
import { DescriptorHigh, DescriptorLow, SHAREABILITY_SHIFT } from './descriptor-bits.ts';
import { descriptorKind, leafFrame, tableFrame } from './walk-descriptor.ts';
import type { AArch64PageWalk } from './walk-page.ts';
import { FIRST_LEVEL, LAST_LEVEL } from './walk-regime.ts';
import type { StageOne, WalkRange } from './walk-stage-one.ts';

/** The descriptors that translate an address of `range`, from the root; see `Walker.explain`. */
export function explainAArch64(
  walk: AArch64PageWalk,
  range: WalkRange,
  low: number,
  high: number,
): WalkStep[] {
  walk.forget();
  walk.walk(range, low, high);
  const steps: WalkStep[] = [];
  for (let level = range.startLevel; level <= walk.level; level++) steps.push(stepAt(walk, range, level));
  return steps;
}

function stepAt(walk: AArch64PageWalk, range: WalkRange, level: number): WalkStep {
  const { stage } = walk;
  const { granule } = range;
  const tableAddress = BigInt(walk.tableAddresses[level - FIRST_LEVEL] as number);
  const index = walk.indices[level - FIRST_LEVEL] as number;
  const entryAddress = tableAddress + BigInt(index * 8);
  const entry = walk.memory.readEntry(entryAddress);
  const place = { level, levelName: levelName(level), tableAddress, index, entryAddress, entry };
  const end = { kind: 'fault', flags: [], forbids: [], next: undefined, permissions: undefined } as const;
  if (entry === undefined) return { ...place, ...end, problem: 'no memory holds this table' };

  const low = Number(entry & 0xffff_ffffn);
  const high = Number(entry >> 32n);
  switch (descriptorKind(stage, granule, level, low, high)) {
    case EntryKind.Table:
      return {
        ...place,
        kind: 'table',
        flags: tableFlagNames(high),
        forbids: range.hierarchical ? forbiddenByTable(stage, high) : [],
        next: addressOf(tableFrame(granule, low, high)),
        problem: undefined,
        permissions: undefined,
      };
    case EntryKind.Leaf:
      return {
        ...place,
        kind: 'leaf',
        flags: leafFlagNames(level, low, high),
        forbids: forbiddenByLeaf(stage, low, high),
        next: addressOf(leafFrame(granule, level, low, high)),
        problem: walk.lacksAccessFlag ? 'the access flag is clear' : undefined,
        permissions: permissionsOf(stage.permissions[walk.restrictions] as number),
      };
    case EntryKind.Malformed: {
      const problem = `the address ${describeAddress(low, high)} is beyond ${stage.outputBits} bits`;
      return { ...place, ...end, problem };
    }
    default:
      return { ...place, ...end, problem: invalidity(level, low) };
  }
}

/** "level 3". */
export function levelName(level: number): string {
  return `level ${level}`;
}

function addressOf(frame: number): bigint {
  return BigInt(frame) << 12n;
}

function describeAddress(low: number, high: number): string {
  const address = wordsToBigInt(low & DescriptorLow.Address, high & DescriptorHigh.Address);
  return `0x${address.toString(16)}`;
}

function invalidity(level: number, low: number): string {
  if ((low & DescriptorLow.Valid) === 0) return 'invalid';
  return level === LAST_LEVEL ? 'reserved: not a page descriptor' : 'reserved: no blocks at this level';
}

function tableFlagNames(high: number): string[] {
  return namesOf(high, [
    [DescriptorHigh.PrivilegedExecuteNeverTable, 'PXNTable'],
    [DescriptorHigh.UserExecuteNeverTable, 'UXNTable'],
    [DescriptorHigh.NoUserTable, 'APTable[0]'],
    [DescriptorHigh.ReadOnlyTable, 'APTable[1]'],
    [DescriptorHigh.NonSecureTable, 'NSTable'],
  ]);
}

function leafFlagNames(level: number, low: number, high: number): string[] {
  const shareability = (low & DescriptorLow.Shareability) >>> SHAREABILITY_SHIFT;
  const block: [number, string][] = level === LAST_LEVEL ? [] : [[DescriptorLow.NoTranslation, 'nT']];
  return [
    `AttrIndx ${(low & DescriptorLow.AttrIndx) >>> 2}`,
    ...namesOf(low, [
      [DescriptorLow.NonSecure, 'NS'],
      [DescriptorLow.User, 'AP[1]'],
      [DescriptorLow.ReadOnly, 'AP[2]'],
    ]),
    `SH ${shareability}`,
    ...namesOf(low, [[DescriptorLow.AccessFlag, 'AF'], [DescriptorLow.NotGlobal, 'nG'], ...block]),
    ...namesOf(high, [
      [DescriptorHigh.Guarded, 'GP'],
      [DescriptorHigh.DirtyBitModifier, 'DBM'],
      [DescriptorHigh.Contiguous, 'Contiguous'],
      [DescriptorHigh.PrivilegedExecuteNever, 'PXN'],
      [DescriptorHigh.UserExecuteNever, 'UXN'],
    ]),
  ];
}

function forbiddenByTable(stage: StageOne, high: number): string[] {
  const { hasUser } = stage.regime;
  return [
    ...namesOf(high, [[DescriptorHigh.ReadOnlyTable, 'write']]),
    ...(hasUser
      ? namesOf(high, [
          [DescriptorHigh.NoUserTable, 'user access'],
          [DescriptorHigh.UserExecuteNeverTable, 'user execute'],
          [DescriptorHigh.PrivilegedExecuteNeverTable, 'supervisor execute'],
        ])
      : namesOf(high, [[DescriptorHigh.UserExecuteNeverTable, 'execute']])),
  ];
}

function forbiddenByLeaf(stage: StageOne, low: number, high: number): string[] {
  const writes = namesOf(low, [[DescriptorLow.ReadOnly, 'write']]);
  if (!stage.regime.hasUser) {
    return [...writes, ...namesOf(high, [[DescriptorHigh.UserExecuteNever, 'execute']])];
  }
  return [
    ...writes,
    ...namesOf(~low, [[DescriptorLow.User, 'user access']]),
    ...namesOf(high, [
      [DescriptorHigh.UserExecuteNever, 'user execute'],
      [DescriptorHigh.PrivilegedExecuteNever, 'supervisor execute'],
    ]),
  ];
}

function namesOf(word: number, names: readonly (readonly [number, string])[]): string[] {
  return names.filter(([bit]) => (word & bit) !== 0).map(([, name]) => name);
}

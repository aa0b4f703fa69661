import { DescriptorHigh, DescriptorLow, SHAREABILITY_SHIFT } from './descriptor-bits.ts';
import { LAST_LEVEL } from './walk-granule.ts';
import type { WalkRange } from './walk-stage.ts';

/** What a stage calls its levels and the bits of its descriptors, and what they forbid. */
export interface StageNames {
  /** "level 3"; "stage 2 level 3" where there are two stages. */
  level(level: number): string;
  tableFlags(high: number): string[];
  forbiddenByTable(high: number): string[];
  leafFlags(range: WalkRange, level: number, low: number, high: number): string[];
  forbiddenByLeaf(low: number, high: number): string[];
}

/** "level 3". */
export function levelName(level: number): string {
  return `level ${level}`;
}

/**
 * Stage 1 (Arm ARM D8.3).
 * @param hasUser whether descriptors give rights to EL0
 */
export function stageOneNames(hasUser: boolean, level: StageNames['level'] = levelName): StageNames {
  return {
    level,
    tableFlags: (high) =>
      namesOf(high, [
        [DescriptorHigh.PrivilegedExecuteNeverTable, 'PXNTable'],
        [DescriptorHigh.UserExecuteNeverTable, 'UXNTable'],
        [DescriptorHigh.NoUserTable, 'APTable[0]'],
        [DescriptorHigh.ReadOnlyTable, 'APTable[1]'],
        [DescriptorHigh.NonSecureTable, 'NSTable'],
      ]),
    forbiddenByTable: (high) => [
      ...namesOf(high, [[DescriptorHigh.ReadOnlyTable, 'write']]),
      ...(hasUser
        ? namesOf(high, [
            [DescriptorHigh.NoUserTable, 'user access'],
            [DescriptorHigh.UserExecuteNeverTable, 'user execute'],
            [DescriptorHigh.PrivilegedExecuteNeverTable, 'supervisor execute'],
          ])
        : namesOf(high, [[DescriptorHigh.UserExecuteNeverTable, 'execute']])),
    ],
    leafFlags: (range, leafLevel, low, high) => [
      `AttrIndx ${(low & DescriptorLow.AttrIndx) >>> 2}`,
      ...namesOf(low, [
        [DescriptorLow.NonSecure, 'NS'],
        [DescriptorLow.User, 'AP[1]'],
        [DescriptorLow.ReadOnly, 'AP[2]'],
      ]),
      ...shareabilityName(range, low),
      ...namesOf(low, [
        [DescriptorLow.AccessFlag, 'AF'],
        [DescriptorLow.NotGlobal, 'nG'],
        ...blockNames(leafLevel),
      ]),
      ...namesOf(high, [
        [DescriptorHigh.Guarded, 'GP'],
        [DescriptorHigh.DirtyBitModifier, 'DBM'],
        [DescriptorHigh.Contiguous, 'Contiguous'],
        [DescriptorHigh.PrivilegedExecuteNever, 'PXN'],
        [DescriptorHigh.UserExecuteNever, 'UXN'],
      ]),
    ],
    forbiddenByLeaf: (low, high) => [
      ...namesOf(low, [[DescriptorLow.ReadOnly, 'write']]),
      ...(hasUser
        ? [
            ...namesOf(~low, [[DescriptorLow.User, 'user access']]),
            ...namesOf(high, [
              [DescriptorHigh.UserExecuteNever, 'user execute'],
              [DescriptorHigh.PrivilegedExecuteNever, 'supervisor execute'],
            ]),
          ]
        : namesOf(high, [[DescriptorHigh.UserExecuteNever, 'execute']])),
    ],
  };
}

/** What XN[1:0] of stage 2 forbids (FEAT_XNX), and without it XN[1] alone. */
const FORBIDDEN_BY_XN = [
  [],
  ['supervisor execute'],
  ['supervisor execute', 'user execute'],
  ['user execute'],
] as const;

/**
 * Stage 2, whose bits stand at the same places (Arm ARM D8.3).
 * @param byLevel FEAT_XNX
 */
export function stageTwoNames(byLevel: boolean): StageNames {
  return {
    level: (level) => `stage 2 ${levelName(level)}`,
    tableFlags: () => [],
    forbiddenByTable: () => [],
    leafFlags: (range, level, low, high) => [
      `MemAttr ${(low >>> 2) & 0xf}`,
      ...namesOf(low, [
        [DescriptorLow.User, 'S2AP[0]'],
        [DescriptorLow.ReadOnly, 'S2AP[1]'],
      ]),
      ...shareabilityName(range, low),
      ...namesOf(low, [[DescriptorLow.AccessFlag, 'AF'], ...blockNames(level)]),
      ...namesOf(high, [
        [DescriptorHigh.DirtyBitModifier, 'DBM'],
        [DescriptorHigh.Contiguous, 'Contiguous'],
        [DescriptorHigh.PrivilegedExecuteNever, 'XN[0]'],
        [DescriptorHigh.UserExecuteNever, 'XN[1]'],
      ]),
    ],
    forbiddenByLeaf: (low, high) => [
      ...namesOf(~low, [
        [DescriptorLow.User, 'read'],
        [DescriptorLow.ReadOnly, 'write'],
      ]),
      ...(FORBIDDEN_BY_XN[(high >>> 21) & (byLevel ? 0b11 : 0b10)] ?? []),
    ],
  };
}

function shareabilityName(range: WalkRange, low: number): string[] {
  if (range.layout.shareabilityInRegister) return [];
  return [`SH ${(low & DescriptorLow.Shareability) >>> SHAREABILITY_SHIFT}`];
}

function blockNames(level: number): [number, string][] {
  return level === LAST_LEVEL ? [] : [[DescriptorLow.NoTranslation, 'nT']];
}

function namesOf(word: number, names: readonly (readonly [number, string])[]): string[] {
  return names.filter(([bit]) => (word & bit) !== 0).map(([, name]) => name);
}

import type { LayoutRegion } from '../../harness/inputs/layout/layout.ts';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import type { Descriptor } from './descriptors.ts';

/**
 * What a flip of one bit changes, as the manuals say. Written from the manuals' tables of descriptor formats;
 * nothing here is shared with the engine or the walker.
 *
 * - translation: nothing below is translated as before
 * - write, execute, user: the right of that name is given or taken
 * - user execute, user data, privileged execute: the same, of one privilege only
 * - memory type
 * - shareability: who has to see a write; a layout does not declare it
 * - nothing: no access behaves differently
 */
export type Meaning =
  | 'translation'
  | 'write'
  | 'execute'
  | 'user'
  | 'user execute'
  | 'user data'
  | 'privileged execute'
  | 'memory type'
  | 'shareability'
  | 'nothing';

/** What bit `bit` of a descriptor means. */
export type MeaningOfBit = (bit: number, descriptor: Descriptor) => Meaning;

/** Memory types after reset by PAT index (SDM Vol. 3A §11.12.4). */
const PAT_AT_RESET = ['WB', 'WT', 'UC-', 'UC', 'WB', 'WT', 'UC-', 'UC'];

/** Intel SDM Vol. 3A tables 4-15 to 4-20, with CR4.PKE = 0, CR4.PGE = 0 and EFER.NXE = 1. */
export function x64Meaning(): MeaningOfBit {
  return (bit, { value, shift, isLeaf }) => {
    const patBit = isLeaf ? (shift === 12 ? 7 : 12) : undefined;
    if (isLeaf && (bit === 3 || bit === 4 || bit === patBit)) {
      const index = (entry: bigint) =>
        Number((entry >> 3n) & 3n) | (Number((entry >> BigInt(patBit ?? 0)) & 1n) << 2);
      const flipped = value ^ (1n << BigInt(bit));
      return PAT_AT_RESET[index(value)] === PAT_AT_RESET[index(flipped)] ? 'nothing' : 'memory type';
    }
    if (bit === 0) return 'translation'; // P
    if (bit === 1) return 'write'; // R/W
    if (bit === 2) return 'user'; // U/S
    if (bit <= 6) return 'nothing'; // PWT and PCD of a table govern the walk itself; A; D (ignored in a table)
    if (bit === 7) return 'translation'; // PS; reserved in a PML4 entry
    if (bit <= 11) return 'nothing'; // G with CR4.PGE = 0; ignored
    if (bit <= 51) return 'translation'; // address, or reserved: below the page's size, or above MAXPHYADDR
    if (bit <= 62) return 'nothing'; // ignored; protection key with CR4.PKE = 0
    return 'execute'; // XD
  };
}

/**
 * Arm ARM D8.3.1 and D8.3.2: VMSAv8-64 stage 1 descriptors of the 4 KiB granule, without FEAT_LPA2, with
 * TCR.HA = HD = HPD = 0 and in Non-secure state.
 */
export function aarch64Meaning(mair: bigint, regime: 'el1' | 'el2'): MeaningOfBit {
  const hasUser = regime === 'el1';
  const table = (bit: number): Meaning => {
    if (bit <= 1) return 'translation'; // valid; table, or a block (reserved at level 0)
    if (bit <= 11) return 'nothing'; // ignored
    if (bit <= 47) return 'translation'; // next-level table address
    if (bit <= 58) return 'nothing'; // RES0; ignored
    if (bit === 59) return hasUser ? 'privileged execute' : 'nothing'; // PXNTable
    if (bit === 60) return hasUser ? 'user execute' : 'execute'; // UXNTable, XNTable
    if (bit === 61) return hasUser ? 'user data' : 'nothing'; // APTable[0]
    if (bit === 62) return 'write'; // APTable[1]
    return 'nothing'; // NSTable
  };
  const leaf = (bit: number, { value, shift }: Descriptor): Meaning => {
    if (bit <= 1) return 'translation'; // valid; page or table, reserved otherwise
    if (bit <= 4) {
      const type = (entry: bigint) => (mair >> (8n * ((entry >> 2n) & 7n))) & 0xffn;
      return type(value) === type(value ^ (1n << BigInt(bit))) ? 'nothing' : 'memory type'; // AttrIndx
    }
    if (bit === 5) return 'nothing'; // NS
    if (bit === 6) return hasUser ? 'user data' : 'nothing'; // AP[1]
    if (bit === 7) return 'write'; // AP[2]
    if (bit <= 9) return 'shareability'; // SH
    if (bit === 10) return 'translation'; // AF
    if (bit === 11) return 'nothing'; // nG
    if (bit < shift) return 'nothing'; // RES0 in a block; nT
    if (bit <= 47) return 'translation'; // output address
    if (bit <= 52) return 'nothing'; // RES0; GP; DBM with HD = 0; contiguous is a hint
    if (bit === 53) return hasUser ? 'privileged execute' : 'nothing'; // PXN
    if (bit === 54) return hasUser ? 'user execute' : 'execute'; // UXN, XN
    return 'nothing'; // for software; ignored
  };
  return (bit, descriptor) => (descriptor.isLeaf ? leaf(bit, descriptor) : table(bit));
}

/** The regions for which a flip of that meaning changes what some access does. */
export function affectedRegions(meaning: Meaning, { isLeaf, regions }: Descriptor): readonly LayoutRegion[] {
  if (meaning === 'nothing') return [];
  if (isLeaf || meaning === 'translation') return regions;
  const lacking = (attribute: number) => regions.filter(({ attributes }) => (attributes & attribute) === 0);
  switch (meaning) {
    // The engine's tables give every right, so that a flip in a table takes one; only those lose who had it.
    case 'write':
      return lacking(MemoryAttributes.ReadOnly);
    case 'user':
      return lacking(MemoryAttributes.Supervisor);
    case 'execute':
    case 'user execute':
    case 'privileged execute':
      return lacking(MemoryAttributes.ExecuteProtect);
    case 'user data': // EL0 has no data access in these layouts, so that none can be taken
      return [];
    default:
      return regions;
  }
}

import { highMask, lowMask } from '../bit-field.ts';
import type { AArch64Registers } from '../registers.ts';

/** The level of page descriptors, for every granule. */
export const LAST_LEVEL = 3;
/** The lowest level number (FEAT_LPA2). Arrays by level are indexed by level − FIRST_LEVEL. */
export const FIRST_LEVEL = -1;
/** The widest output address without FEAT_LPA and FEAT_LPA2. */
export const MAX_OUTPUT_BITS = 48;

/** A translation granule (Arm ARM D8.2). */
export interface Granule {
  readonly name: string;
  /** log2 of the page size. */
  readonly pageShift: number;
  /** log2 of the descriptors in a full table. */
  readonly indexBits: number;
  /** The lowest level number that can have blocks. */
  readonly firstBlockLevel: number;
  /** The smallest TnSZ: 64 minus the widest input address. */
  readonly smallestTxsz: number;
  /** How each level cuts an address; index: level − {@link FIRST_LEVEL}. */
  readonly levels: readonly LevelBits[];
}

/** How a level cuts addresses. */
export interface LevelBits {
  /** log2 of the bytes that a descriptor maps. */
  readonly shift: number;
  /** The address bits below, as two words. */
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

function granule(description: Omit<Granule, 'levels'>): Granule {
  const levels = Array.from({ length: LAST_LEVEL - FIRST_LEVEL + 1 }, (_, i) => {
    const shift = description.pageShift + (LAST_LEVEL - FIRST_LEVEL - i) * description.indexBits;
    return { shift, offsetLow: lowMask(0, shift), offsetHigh: highMask(0, shift) };
  });
  return { ...description, levels };
}

/** 4 KiB pages without FEAT_LPA2: 48-bit input addresses, 48-bit output addresses. */
export const GRANULE_4K = granule({
  name: '4 KiB',
  pageShift: 12,
  indexBits: 9,
  firstBlockLevel: 1,
  smallestTxsz: 16,
});

export function levelBits(granule: Granule, level: number): LevelBits {
  return granule.levels[level - FIRST_LEVEL] as LevelBits;
}

/** The level at which the walk of an input address of so many bits starts. */
export function startLevelOf(granule: Granule, inputBits: number): number {
  return LAST_LEVEL + 1 - Math.ceil((inputBits - granule.pageShift) / granule.indexBits);
}

/** Where TCR_ELx holds the fields of one range of virtual addresses; positions of lowest bits. */
export interface VaRangeFields {
  /** "TTBR0". */
  readonly base: 'ttbr0' | 'ttbr1';
  /** TnSZ, 6 bits. */
  readonly size: number;
  /** "T0SZ", for messages. */
  readonly sizeName: string;
  /** TGn, 2 bits, and the granule of each value; undefined: reserved, or not modelled. */
  readonly granule: number;
  readonly granules: readonly (Granule | undefined)[];
  /** TBIn: bits 63:56 are not part of the address. */
  readonly topByteIgnore: number;
  /** TBIDn: … but for instruction fetches they are. */
  readonly topByteIgnoreDataOnly: number;
  /** HPDn: no permissions in table descriptors. */
  readonly hierarchicalDisable: number;
  /** EPDn: no walks. Absent where the regime has one range. */
  readonly walkDisable?: number;
  /** E0PDn: no EL0 accesses. Absent where the regime has no EL0. */
  readonly userDisable?: number;
}

/** What tells one translation regime from another (Arm ARM D8.1). */
export interface TranslationRegime {
  readonly name: string;
  /** Whether accesses from EL0 use it. */
  readonly hasUser: boolean;
  /** One range from address 0, or a lower and an upper one selected by address bit 55. */
  readonly ranges: readonly VaRangeFields[];
  /** IPS or PS, 3 bits. */
  readonly outputSize: number;
  /** HA, HD: hardware management of the access flag and the dirty state. */
  readonly hardwareAccessFlag: number;
  readonly hardwareDirty: number;
  /** DS: descriptors of FEAT_LPA2. */
  readonly largeDescriptors: number;
}

const TG0 = [GRANULE_4K, undefined, undefined, undefined];
const TG1 = [undefined, undefined, GRANULE_4K, undefined];

/** EL1&0 stage 1 under TCR_EL1 (Arm ARM D19.2). */
export const EL1_AND_0: TranslationRegime = {
  name: 'EL1&0',
  hasUser: true,
  ranges: [
    {
      base: 'ttbr0',
      size: 0,
      sizeName: 'T0SZ',
      granule: 14,
      granules: TG0,
      topByteIgnore: 37,
      topByteIgnoreDataOnly: 51,
      hierarchicalDisable: 41,
      walkDisable: 7,
      userDisable: 55,
    },
    {
      base: 'ttbr1',
      size: 16,
      sizeName: 'T1SZ',
      granule: 30,
      granules: TG1,
      topByteIgnore: 38,
      topByteIgnoreDataOnly: 52,
      hierarchicalDisable: 42,
      walkDisable: 23,
      userDisable: 56,
    },
  ],
  outputSize: 32,
  hardwareAccessFlag: 39,
  hardwareDirty: 40,
  largeDescriptors: 59,
};

/** EL2 stage 1 with HCR_EL2.E2H = 0 under TCR_EL2 (Arm ARM D19.2). */
export const EL2: TranslationRegime = {
  name: 'EL2',
  hasUser: false,
  ranges: [
    {
      base: 'ttbr0',
      size: 0,
      sizeName: 'T0SZ',
      granule: 14,
      granules: TG0,
      topByteIgnore: 20,
      topByteIgnoreDataOnly: 29,
      hierarchicalDisable: 24,
    },
  ],
  outputSize: 16,
  hardwareAccessFlag: 21,
  hardwareDirty: 22,
  largeDescriptors: 32,
};

/** @throws RangeError for a regime that is not modelled */
export function regimeOf(registers: AArch64Registers): TranslationRegime {
  switch (registers.exceptionLevel) {
    case 1:
      return EL1_AND_0;
    case 2:
      return EL2;
    case 3:
      throw new RangeError('exceptionLevel is 3: the EL3 regime is not modelled yet');
  }
}

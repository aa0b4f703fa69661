import { highMask, lowMask } from '../bit-field.ts';

/** The level of page descriptors, for every granule. */
export const LAST_LEVEL = 3;
/** The lowest level number (FEAT_LPA2). Arrays by level are indexed by level − FIRST_LEVEL. */
export const FIRST_LEVEL = -1;

/** How a level cuts addresses. */
export interface LevelBits {
  /** log2 of the bytes that a descriptor maps. */
  readonly shift: number;
  /** The address bits below, as two words. */
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

/** A translation granule (Arm ARM D8.2). */
export interface Granule {
  readonly name: string;
  /** log2 of the page size. */
  readonly pageShift: number;
  /** log2 of the descriptors in a full table. */
  readonly indexBits: number;
  /** The largest TnSZ with FEAT_TTST. */
  readonly largestTxsz: number;
  /** How each level cuts an address; index: level − {@link FIRST_LEVEL}. */
  readonly levels: readonly LevelBits[];
}

function granule(description: Omit<Granule, 'levels'>): Granule {
  const levels = Array.from({ length: LAST_LEVEL - FIRST_LEVEL + 1 }, (_, i) => {
    const shift = description.pageShift + (LAST_LEVEL - FIRST_LEVEL - i) * description.indexBits;
    const end = Math.min(shift, 64);
    return { shift, offsetLow: lowMask(0, end), offsetHigh: highMask(0, end) };
  });
  return { ...description, levels };
}

export const GRANULE_4K = granule({ name: '4 KiB', pageShift: 12, indexBits: 9, largestTxsz: 48 });
export const GRANULE_16K = granule({ name: '16 KiB', pageShift: 14, indexBits: 11, largestTxsz: 48 });
export const GRANULE_64K = granule({ name: '64 KiB', pageShift: 16, indexBits: 13, largestTxsz: 47 });

export function levelBits(granule: Granule, level: number): LevelBits {
  return granule.levels[level - FIRST_LEVEL] as LevelBits;
}

/** The level at which the walk of an input address of so many bits starts. */
export function startLevelOf(granule: Granule, inputBits: number): number {
  return LAST_LEVEL + 1 - Math.ceil((inputBits - granule.pageShift) / granule.indexBits);
}

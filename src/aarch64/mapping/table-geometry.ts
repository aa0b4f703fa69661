import { FRAME_SIZE, WORDS_PER_FRAME } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import {
  GRANULE_4K,
  GRANULE_16K,
  GRANULE_64K,
  type Granule,
  LAST_LEVEL,
  levelBits,
} from '../walk-granule.ts';

/** A translation granule by the size of its pages, which is also the size of its tables. */
export type GranuleName = '4K' | '16K' | '64K';

export { LAST_LEVEL };

/** 32-bit words in a descriptor. */
export const WORDS = 2;
const DESCRIPTOR_SIZE = 8;

/** Bits of a descriptor that say what it is. */
export const TYPE_MASK = DescriptorLow.Valid | DescriptorLow.TableOrPage;
/** Copies of imported and exported constants, which V8 would read anew in every call. */
const LAST: number = LAST_LEVEL;
const TYPE: number = TYPE_MASK;
const VALID: number = DescriptorLow.Valid;
const ADDRESS_HIGH: number = DescriptorHigh.Address;

/** Input and output address bits without FEAT_LVA and FEAT_LPA. */
export const MAX_ADDRESS_BITS = 48;
/** Up to 16 root tables of stage 2 lie one after the other, as if they were one (Arm ARM D8.2). */
const CONCATENATED_BITS = 4;

/** What a granule's tables have where, without FEAT_LPA and FEAT_LPA2. */
interface GranuleRules {
  readonly granule: Granule;
  /** The levels at which stage 1 and stage 2 can start. */
  readonly firstLevel: number;
  readonly firstStageTwoLevel: number;
  /** The first level that has blocks (Arm ARM D8.3.1). */
  readonly firstBlockLevel: number;
  /** By level: entries that may share a TLB entry when they have the contiguous bit (Arm ARM D8.7.1). */
  readonly runs: readonly number[];
}

const RULES: Readonly<Record<GranuleName, GranuleRules>> = {
  '4K': {
    granule: GRANULE_4K,
    firstLevel: 0,
    firstStageTwoLevel: 0,
    firstBlockLevel: 1,
    runs: [1, 16, 16, 16],
  },
  '16K': {
    granule: GRANULE_16K,
    firstLevel: 0,
    firstStageTwoLevel: 1,
    firstBlockLevel: 2,
    runs: [1, 1, 32, 128],
  },
  '64K': {
    granule: GRANULE_64K,
    firstLevel: 1,
    firstStageTwoLevel: 1,
    firstBlockLevel: 2,
    runs: [1, 1, 32, 32],
  },
};

/** What decides how a tree of tables cuts addresses. */
export interface GeometryOptions {
  readonly granule: GranuleName;
  readonly rootLevel: number;
  /** Input address bits; all that a root table of the level translates, where absent. */
  readonly vaBits: number | undefined;
  readonly isStageTwo: boolean;
}

/**
 * How a tree of tables cuts page numbers into indices. Pages and frames are counted in 4 KiB with every granule; a page
 * of a larger one is 4 or 16 of them.
 */
export class TableGeometry {
  readonly granule: GranuleName;
  readonly rootLevel: number;
  /** Pages that the root translates. */
  readonly pages: number;
  /** Pages of one page of the granule, and frames of a table. */
  readonly granulePages: number;
  /** 32-bit words of a table below the root. */
  readonly tableWords: number;
  /** Frames of the root: several tables where they are concatenated, one where it has fewer entries than a table. */
  readonly rootFrames: number;
  readonly firstBlockLevel: number;
  /** By level. Not computed by powers: those would be doubles, here and in every loop that uses them. */
  readonly #pages: readonly number[];
  readonly #lastIndices: readonly number[];
  readonly #runs: readonly number[];

  /**
   * @throws RangeError for a granule that there is not, or address bits that the root level does not translate;
   *   PageTableError InvalidRootLevel
   */
  constructor({ granule: name, rootLevel, vaBits, isStageTwo }: GeometryOptions) {
    if (!Object.hasOwn(RULES, name)) throw new RangeError(`the granule is ${name}, not 4K, 16K or 64K`);
    const { granule, firstBlockLevel, runs, ...rules } = RULES[name];
    const first = isStageTwo ? rules.firstStageTwoLevel : rules.firstLevel;
    if (!Number.isInteger(rootLevel) || rootLevel < first || rootLevel > LAST_LEVEL) {
      const of = name === '4K' ? '' : ` with the ${granule.name} granule${isStageTwo ? ' at stage 2' : ''}`;
      throw new PageTableError('InvalidRootLevel', `the root level is ${rootLevel}, not ${first} to 3${of}`);
    }
    const { shift } = levelBits(granule, rootLevel);
    const fullBits = Math.min(shift + granule.indexBits, MAX_ADDRESS_BITS);
    const mostBits = isStageTwo ? Math.min(fullBits + CONCATENATED_BITS, MAX_ADDRESS_BITS) : fullBits;
    const bits = vaBits ?? fullBits;
    if (!Number.isInteger(bits) || bits <= shift || bits > mostBits) {
      throw new RangeError(
        `vaBits is ${vaBits}; a level ${rootLevel} root of ${granule.name} tables translates ${shift + 1} to ${mostBits}`,
      );
    }
    const levels = [0, 1, 2, 3];
    this.granule = name;
    this.rootLevel = rootLevel;
    this.pages = 2 ** bits / FRAME_SIZE;
    this.granulePages = 2 ** granule.pageShift / FRAME_SIZE;
    this.tableWords = this.granulePages * WORDS_PER_FRAME;
    const rootEntries = 2 ** (bits - shift);
    this.rootFrames = Math.max((rootEntries * DESCRIPTOR_SIZE) / FRAME_SIZE, this.granulePages);
    this.firstBlockLevel = firstBlockLevel;
    this.#pages = levels.map((level) => 2 ** levelBits(granule, level).shift / FRAME_SIZE);
    this.#lastIndices = levels.map(
      (level) => (level === rootLevel ? rootEntries : 2 ** granule.indexBits) - 1,
    );
    this.#runs = runs;
  }

  /** Entries of a table of a level. */
  entriesAt(level: number): number {
    return (this.#lastIndices[level] as number) + 1;
  }

  /** Pages that an entry of a level covers. */
  pagesPerEntry(level: number): number {
    return this.#pages[level] as number;
  }

  /** Which entry of its table translates a page. */
  entryIndex(page: number, level: number): number {
    return Math.floor(page / (this.#pages[level] as number)) & (this.#lastIndices[level] as number);
  }

  /** How many entries of a level, which must be whole, pages cover: as an integer, which a quotient is not for V8. */
  entryCount(pages: number, level: number): number {
    return (pages / (this.#pages[level] as number)) | 0;
  }

  /** First page of the entry that translates a page. */
  firstPageOfEntry(page: number, level: number): number {
    const pages = this.#pages[level] as number;
    return Math.floor(page / pages) * pages;
  }

  /** Entries of a level that may share a TLB entry; 1 where there are no leaves. */
  runEntries(level: number): number {
    return this.#runs[level] as number;
  }

  /** Their words; runs start at multiples of it. */
  runWords(level: number): number {
    return (this.#runs[level] as number) * WORDS;
  }

  /** The frame that a leaf of a level maps to: bits below the entry's size (nT is one) are no address. */
  leafFrameOf(low: number, high: number, level: number): number {
    const frame = frameOf(low, high);
    return frame - (frame % (this.#pages[level] as number));
  }
}

/** Whether an entry leads to a table. */
export function isTable(low: number, level: number): boolean {
  return level < LAST && (low & TYPE) === TYPE;
}

/** Whether an entry that leads to no table maps something: at the last level 0b01 is reserved and maps nothing. */
export function isValidLeaf(low: number, level: number): boolean {
  return level === LAST ? (low & TYPE) === TYPE : (low & VALID) !== 0;
}

/** The frame in a descriptor's address field, bits 47:12; bits below a larger granule's pages are 0. */
export function frameOf(low: number, high: number): number {
  return (high & ADDRESS_HIGH) * 0x10_0000 + (low >>> 12);
}

/** Low word's part of a frame's address. */
export function addressLow(frame: number): number {
  return (frame & 0xf_ffff) << 12;
}

/** High word's part of a frame's address. */
export function addressHigh(frame: number): number {
  return (frame * 2 ** -20) & ADDRESS_HIGH;
}

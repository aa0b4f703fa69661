import { highMask, lowMask } from '../bit-field.ts';
import type { DescriptorLow } from './descriptor-bits.ts';
import type { Granule } from './walk-granule.ts';
import { MAX_OUTPUT_BITS, type TableLayout } from './walk-layout.ts';
import type { MemoryTypeTable } from './walk-memory-type.ts';

/** Bits of an address that must all equal its range's bit 55: two words. */
export interface SignBits {
  readonly low: number;
  readonly high: number;
}

/** The bits from the width of an input address up to 63, or to 55 where the top byte is ignored. */
export function signBits(inputBits: number, topByteIgnored: boolean): SignBits {
  const end = topByteIgnored ? 56 : 64;
  return { low: lowMask(inputBits, end), high: highMask(inputBits, end) };
}

/** The addresses of a range. */
export interface AddressRange {
  /** Whether addresses of this range have bit 55 set. */
  readonly upper: boolean;
  /** Width of the input address; where TnSZ is out of range, that of the nearest value in range. */
  readonly inputBits: number;
  readonly dataSign: SignBits;
  readonly fetchSign: SignBits;
  /** Whether an instruction fetch drops address bits 63:56. */
  readonly fetchDropsTopByte: boolean;
}

/** How one range of input addresses is translated by a stage, made ready for the walk. */
export interface WalkRange extends AddressRange {
  /** No walk happens: EPDn, or fields out of range. Every access is a translation fault at level 0. */
  readonly disabled: boolean;
  /** E0PDn: so is every access from EL0. */
  readonly userDisabled: boolean;
  readonly granule: Granule;
  readonly layout: TableLayout;
  readonly startLevel: number;
  /** Descriptors in the root table, or in the concatenated root tables of stage 2. */
  readonly rootEntries: number;
  /** The root table: its frame, and its offset there. */
  readonly rootFrame: number;
  readonly rootOffset: number;
  /** The root table lies beyond the output size: an address size fault at level 0. */
  readonly rootOutOfRange: boolean;
  /** Permissions in table descriptors count (stage 1, HPDn = 0). */
  readonly hierarchical: boolean;
  /** Width of the output address. */
  readonly outputBits: number;
  /** Bits of an output address's high word that are beyond it. */
  readonly outOfRangeHigh: number;
  /** Where SH of a leaf comes from, as part of a `memoryTypeIndex`: its bits in the leaf, or TCR's value. */
  readonly shareabilityMask: number;
  readonly shareability: number;
}

/** One stage of translation as the registers describe it, made ready for the walk. */
export interface TranslationStage {
  /** One range, or the lower and the upper one. */
  readonly ranges: readonly WalkRange[];
  /** HA: the access flag of a leaf is set by hardware. */
  readonly hardwareAccessFlag: boolean;
  /** HD: DBM makes a read-only leaf writable, and the write makes it dirty. */
  readonly hardwareDirty: boolean;
  /** The state of bit 7 of a leaf that allows writes: AP[2] clear at stage 1, S2AP[1] set at stage 2. */
  readonly writableBit: 0 | typeof DescriptorLow.ReadOnly;
  /** `PermissionMask` by restrictions; see walk-rights.ts. */
  readonly permissions: Uint8Array;
  readonly memoryTypes: MemoryTypeTable;
}

/** What is written into {@link WalkRange} for a root table at `base` with `inputBits` to translate. */
export function rootTable(
  base: bigint,
  outputBits: number,
): Pick<WalkRange, 'rootFrame' | 'rootOffset' | 'rootOutOfRange' | 'outputBits' | 'outOfRangeHigh'> {
  return {
    rootFrame: Number(base >> 12n),
    rootOffset: Number(base & 0xfffn),
    rootOutOfRange: base >> BigInt(outputBits) !== 0n,
    outputBits,
    outOfRangeHigh: highMask(outputBits, MAX_OUTPUT_BITS),
  };
}

/** Where a range's leaves have their shareability: in SH, or in the register's field. */
export function shareabilitySource(
  layout: TableLayout,
  registerField: number,
): Pick<WalkRange, 'shareabilityMask' | 'shareability'> {
  return layout.shareabilityInRegister
    ? { shareabilityMask: 0, shareability: registerField << SHAREABILITY_INDEX_SHIFT }
    : { shareabilityMask: SHAREABILITY_INDEX_MASK, shareability: 0 };
}

/** Position of SH in an index into {@link MemoryTypeTable}. */
export const SHAREABILITY_INDEX_SHIFT = 4;
const SHAREABILITY_INDEX_MASK = 0x30;

/** The range that address bit 55 selects; where there is only one, it is that. */
export function rangeOf<Range>(ranges: readonly Range[], high: number): Range {
  const upper = ranges.length === 2 && (high & 0x0080_0000) !== 0;
  return ranges[upper ? 1 : 0] as Range;
}

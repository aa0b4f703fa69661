import type { CpuFeatures } from './walk-cpu.ts';
import { GRANULE_4K, GRANULE_16K, GRANULE_64K, type Granule } from './walk-granule.ts';

/** The widest output address without FEAT_LPA and FEAT_LPA2. */
const PLAIN_OUTPUT_BITS = 48;
/** The widest output address that any descriptor holds. */
export const MAX_OUTPUT_BITS = 52;
/** The smallest TnSZ: 64 minus the widest input address. */
const SMALLEST_TXSZ = 16;
const SMALLEST_TXSZ_LARGE_ADDRESSES = 12;

/**
 * What tables of a granule look like: which levels have blocks, and where descriptors and TTBR keep the
 * highest bits of an address (Arm ARM D8.2 and D8.3).
 */
export interface TableLayout {
  /** The lowest level number that can have blocks. */
  readonly firstBlockLevel: number;
  /** The smallest TnSZ. */
  readonly smallestTxsz: number;
  /** The widest output address. */
  readonly outputBits: number;
  /** The address bits of a descriptor's high word that stand at their own place. */
  readonly addressHigh: number;
  /**
   * Further address bits: the bits of `movedMask` in the low word after a shift right by `movedFrom`, and their
   * place in the high word of the address.
   */
  readonly movedMask: number;
  readonly movedFrom: number;
  readonly movedTo: number;
  /** SH stands in TCR_ELx instead of the leaf, whose bits are the address's. */
  readonly shareabilityInRegister: boolean;
}

const PLAIN = {
  smallestTxsz: SMALLEST_TXSZ,
  outputBits: PLAIN_OUTPUT_BITS,
  addressHigh: 0xffff,
  movedMask: 0,
  movedFrom: 0,
  movedTo: 0,
  shareabilityInRegister: false,
} as const;

/** TCR_ELx.DS = 1: address bits 49:48 at their place, 51:50 in bits 9:8 (FEAT_LPA2). */
const LARGE = {
  smallestTxsz: SMALLEST_TXSZ_LARGE_ADDRESSES,
  outputBits: MAX_OUTPUT_BITS,
  addressHigh: 0x3_ffff,
  movedMask: 0x3,
  movedFrom: 8,
  movedTo: 18,
  shareabilityInRegister: true,
} as const;

/** The layout of tables of a granule, with DS as it takes effect (`largeDescriptors`). */
export function tableLayout(granule: Granule, cpu: CpuFeatures, largeDescriptors: boolean): TableLayout {
  switch (granule) {
    case GRANULE_4K:
      return largeDescriptors ? { ...LARGE, firstBlockLevel: 0 } : { ...PLAIN, firstBlockLevel: 1 };
    case GRANULE_16K:
      return largeDescriptors ? { ...LARGE, firstBlockLevel: 1 } : { ...PLAIN, firstBlockLevel: 2 };
    default: {
      const smallestTxsz = cpu.largeVirtualAddresses ? SMALLEST_TXSZ_LARGE_ADDRESSES : SMALLEST_TXSZ;
      // FEAT_LPA: address bits 51:48 in bits 15:12, and blocks at level 1.
      return cpu.physicalAddressBits === MAX_OUTPUT_BITS
        ? {
            ...PLAIN,
            smallestTxsz,
            outputBits: MAX_OUTPUT_BITS,
            firstBlockLevel: 1,
            movedMask: 0xf,
            movedFrom: 12,
            movedTo: 16,
          }
        : { ...PLAIN, smallestTxsz, firstBlockLevel: 2 };
    }
  }
}

/** IPS, PS (Arm ARM D19.2, TCR_ELx and VTCR_EL2): bits of the output address; reserved values count as the last. */
const OUTPUT_BITS = [32, 36, 40, 42, 44, 48, 52] as const;
const PS_52_BITS = 6;

/** The width of output addresses: the smallest of PS, what the processor has, and what descriptors can hold. */
export function outputBitsOf(layout: TableLayout, cpu: CpuFeatures, ps: number): number {
  return Math.min(OUTPUT_BITS[ps] ?? MAX_OUTPUT_BITS, cpu.physicalAddressBits, layout.outputBits);
}

/** TTBR's bits 47:1, and 47:6 where bits 5:2 hold address bits 51:48. */
const BASE_BITS = 0xffff_ffff_ffffn;
const LARGE_BASE_ALIGNMENT = 6;

/**
 * BADDR (Arm ARM D8.2): the address of the root table of `bytesShift` (log2). Its size decides how many low bits
 * are zero; where output addresses may have 52 bits, bits 5:2 are the address bits 51:48.
 */
export function tableBase(
  ttbr: bigint,
  bytesShift: number,
  granule: Granule,
  layout: TableLayout,
  ps: number,
): bigint {
  const holds52Bits = layout.outputBits === MAX_OUTPUT_BITS && (granule !== GRANULE_64K || ps === PS_52_BITS);
  const aligned = (bits: number) => ttbr & BASE_BITS & ~((1n << BigInt(bits)) - 1n);
  return holds52Bits
    ? aligned(Math.max(bytesShift, LARGE_BASE_ALIGNMENT)) | (((ttbr >> 2n) & 0xfn) << 48n)
    : aligned(bytesShift);
}

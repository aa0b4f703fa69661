import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';

/**
 * How attributes of a descriptor are packed into one number: bits 11:0 hold the descriptor's bits 11:0, bits 25:12
 * its bits 63:50, bit 26 its bit 16 (nT), and bits 29:27 say which regimes the attributes are for. So attributes
 * combine with `|`, and a combination of two kinds is found.
 */

/** Descriptor bit 50 stands at packed bit 12: the high word's bit 18. */
export const HIGH_SHIFT = 6;
/** Descriptor bit 16 stands at packed bit 26. */
const NT_SHIFT = 10;

/** Bits 11:0 of descriptor and packed number. */
export const LOW_MASK = 0xfff;
/** Bits 63:50 of a descriptor, in its high word. */
export const HIGH_MASK = 0xfffc_0000 | 0;
/** Packed bits that stand for bits of a descriptor. */
export const PACKED_MASK = 0x07ff_ffff;

/** Which regimes attributes are for. Literals, so that the types differ. */
export const AttributeKind = {
  /** EL1&0 and EL2&0. */
  El1: 0x0800_0000,
  /** EL2 and EL3. */
  El23: 0x1000_0000,
  Stage2: 0x2000_0000,
} as const;
export type AttributeKind = (typeof AttributeKind)[keyof typeof AttributeKind];
/** The bits of {@link AttributeKind} in a packed number. */
export const KIND_MASK = AttributeKind.El1 | AttributeKind.El23 | AttributeKind.Stage2;

/** Copies of imported and exported constants, which V8 would read anew in every call. */
const NT: number = DescriptorLow.NoTranslation;
const LOW: number = LOW_MASK;
const HIGH: number = HIGH_MASK;

/** Packs bits of a descriptor's low word. */
export function packLow(low: number): number {
  return (low & LOW) | ((low & NT) << NT_SHIFT);
}

/** Packs bits of a descriptor's high word. */
export function packHigh(high: number): number {
  return (high & HIGH) >>> HIGH_SHIFT;
}

/** What packed attributes put into a descriptor's bits 31:0. */
export function lowWordOf(packed: number): number {
  return (packed & LOW) | ((packed >>> NT_SHIFT) & NT);
}

/** What packed attributes put into a descriptor's bits 63:32. */
export function highWordOf(packed: number): number {
  return (packed << HIGH_SHIFT) & HIGH;
}

/** Packs a 64-bit value. @returns undefined if it has bits that no attribute has */
export function packBits(bits: bigint): number | undefined {
  const low = Number(bits & 0xffff_ffffn) | 0;
  const high = Number(bits >> 32n) | 0;
  const packed = packLow(low) | packHigh(high);
  return lowWordOf(packed) === low && highWordOf(packed) === high ? packed : undefined;
}

/** The packed attributes at their places in a 64-bit descriptor. */
export function unpackBits(packed: number): bigint {
  return (BigInt(highWordOf(packed) >>> 0) << 32n) | BigInt(lowWordOf(packed) >>> 0);
}

/** Packed CONTIGUOUS. */
export const CONTIGUOUS = packHigh(DescriptorHigh.Contiguous);
/** Packed nT. */
export const NO_TRANSLATION = packLow(DescriptorLow.NoTranslation);

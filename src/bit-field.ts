/**
 * `width` ≤ 31 bits from position `shift` of the 64-bit value given as two words; bits that `mask` (2^width − 1)
 * leaves out are cut off.
 */
export function fieldOf(low: number, high: number, shift: number, mask: number): number {
  if (shift >= 32) return (high >>> (shift - 32)) & mask;
  if (shift === 0) return low & mask;
  return ((low >>> shift) | (high << (32 - shift))) & mask;
}

/** Bits 31:0 of a mask that has the bits [end, start) of a 64-bit value, as a signed word. */
export function lowMask(start: number, end: number): number {
  return wordMask(start, Math.min(end, 32));
}

/** Bits 63:32 of a mask that has the bits [end, start) of a 64-bit value, as a signed word. */
export function highMask(start: number, end: number): number {
  return wordMask(Math.max(start - 32, 0), end - 32);
}

function wordMask(start: number, end: number): number {
  if (start >= end) return 0;
  const width = end - start;
  return width === 32 ? -1 : ((1 << width) - 1) << start;
}

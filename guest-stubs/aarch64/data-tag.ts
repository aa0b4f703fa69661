/**
 * Data tags: what a 16-byte slot of ordinary guest memory holds so that a read or a fetch proves its physical
 * address. As code: `movz x0, #f0; movk x0, #f1, lsl #16; movk x0, #f2, lsl #32; brk #0` for frame number
 * f2:f1:f0 (Arm ARM C6.2). As a table entry: not valid.
 */
export const TAG_BYTES = 16;
export const TAG_WORDS = TAG_BYTES / 4;

const MOVZ_X0 = 0xd280_0000;
const MOVK_X0_LSL_16 = 0xf2a0_0000;
const MOVK_X0_LSL_32 = 0xf2c0_0000;
const BRK = 0xd420_0000;
const IMMEDIATE_SHIFT = 5;
const IMMEDIATE_MASK = 0xffff << IMMEDIATE_SHIFT;

/** Writes the tag of a frame to four words. */
export function writeTag(words: Uint32Array, index: number, frame: number): void {
  words[index] = MOVZ_X0 | ((frame & 0xffff) << IMMEDIATE_SHIFT);
  words[index + 1] = MOVK_X0_LSL_16 | ((Math.floor(frame / 2 ** 16) & 0xffff) << IMMEDIATE_SHIFT);
  words[index + 2] = MOVK_X0_LSL_32 | ((Math.floor(frame / 2 ** 32) & 0xffff) << IMMEDIATE_SHIFT);
  words[index + 3] = BRK;
}

/** The frame number in the first half of a tag (its low 32 bits: all that RAM needs), or −1 if it is none. */
export function frameOfTag(first: number, second: number): number {
  const isTag =
    (first & ~IMMEDIATE_MASK) >>> 0 === MOVZ_X0 && (second & ~IMMEDIATE_MASK) >>> 0 === MOVK_X0_LSL_16;
  return isTag ? ((immediateOf(second) << 16) | immediateOf(first)) >>> 0 : -1;
}

function immediateOf(instruction: number): number {
  return (instruction & IMMEDIATE_MASK) >>> IMMEDIATE_SHIFT;
}

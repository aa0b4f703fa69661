import { FRAME_SIZE } from '../../src/addresses.ts';

/** Bytes of a tag, and of the slots that probes address. */
export const SLOT_BYTES = 16;
/** Bytes of the instruction that a tag begins with: RIP behind it when it ran. */
export const TAG_INSTRUCTION_BYTES = 10;

/** REX.W MOV RAX, imm64. */
const MOV_RAX = 0xb848;
/**
 * Bits 63:40 of the immediate. No canonical address has them, so no register that holds one (the canary) is taken
 * for a tag; as a byte it is even, so that no part of a tag is a present entry.
 */
const SIGNATURE = 0x5a5a5a;
const INT3 = 0xcc;

/** The content of a tagged frame (PROTOCOL.md, "Tags"). @param frame below 2^40 */
export function tagFrame(frame: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_SIZE).fill(INT3);
  const words = new DataView(bytes.buffer);
  for (let slot = 0; slot < FRAME_SIZE; slot += SLOT_BYTES) {
    words.setUint16(slot, MOV_RAX, true);
    words.setUint32(slot + 2, frame >>> 0, true);
    words.setUint32(slot + 6, (((frame / 2 ** 32) & 0xff) | (SIGNATURE << 8)) >>> 0, true);
  }
  return bytes;
}

/** The frame number in the first 8 bytes of a tag, given as two words, or −1 if they are none. */
export function frameOfTag(low: number, high: number): number {
  if ((low & 0xffff) !== MOV_RAX || high >>> 24 !== (SIGNATURE & 0xff)) return -1;
  return (low >>> 16) + (high & 0xff_ffff) * 0x1_0000;
}

/** The frame number in RAX, given as two words, after a tag was executed, or −1 if none was. */
export function frameOfExecutedTag(low: number, high: number): number {
  return high >>> 8 === SIGNATURE ? (low >>> 0) + (high & 0xff) * 2 ** 32 : -1;
}

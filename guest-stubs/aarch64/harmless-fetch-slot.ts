import { TAG_BYTES, TAG_WORDS } from './data-tag.ts';

/** Bits 31 and 28:25: all clear is the part of the encoding space that is undefined for ever (Arm ARM C4.1). */
const RESERVED_MASK = 0x9e00_0000;

/**
 * A 16-byte slot of a frame (its 1024 words) that may be executed at any privilege without harm, because its
 * first instruction is undefined for ever: zero words, and the low half of most small table entries.
 * @returns the slot's offset in bytes, or −1 if the frame has none
 */
export function harmlessFetchSlot(frameWords: Uint32Array): number {
  for (let word = 0; word < frameWords.length; word += TAG_WORDS) {
    if (((frameWords[word] as number) & RESERVED_MASK) === 0) return (word / TAG_WORDS) * TAG_BYTES;
  }
  return -1;
}

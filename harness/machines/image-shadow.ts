import { FRAME_SIZE, hex } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';

const ENTRY_BYTES = 8;

/** What an image's memory held when it was last brought to a guest: so that only what the host changed goes there. */
export class ImageShadow {
  readonly #memory: PhysicalMemory;
  readonly #copies: readonly { readonly firstFrame: number; readonly words: Uint32Array }[];

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    this.#copies = memory.ranges.map(({ firstFrame, words }) => ({ firstFrame, words: words.slice() }));
  }

  /**
   * Hands over every 8-byte entry that has changed since the last call, ascending in each range.
   * @throws RangeError if the memory has other ranges than at first
   */
  takeChanges(write: (address: number, low: number, high: number) => void): void {
    const { ranges } = this.#memory;
    for (const [index, { firstFrame, words }] of ranges.entries()) {
      const copy = this.#copies[index];
      if (copy?.firstFrame !== firstFrame || copy.words.length !== words.length) {
        throw new RangeError(
          `the image's memory at ${hex(firstFrame * FRAME_SIZE)} was not there when it was loaded`,
        );
      }
      takeChangedEntries(words, copy.words, firstFrame * FRAME_SIZE, write);
    }
    if (ranges.length < this.#copies.length) {
      throw new RangeError('the image has less memory than when it was loaded');
    }
  }
}

function takeChangedEntries(
  words: Uint32Array,
  before: Uint32Array,
  base: number,
  write: (address: number, low: number, high: number) => void,
): void {
  for (let at = 0; at < words.length; at += 2) {
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if (low === before[at] && high === before[at + 1]) continue;
    before[at] = low;
    before[at + 1] = high;
    write(base + (at / 2) * ENTRY_BYTES, low, high);
  }
}

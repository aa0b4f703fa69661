import { FRAME_SIZE, hex } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** Fills bytes from an image. @throws RangeError if one is not there */
export function readImage(memory: PhysicalMemory, address: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const at = address + done;
    const words = memory.frameWords(Math.floor(at / FRAME_SIZE));
    if (words === undefined)
      throw new RangeError(`the image has no memory at ${hex(at)}, where its root table is`);
    const offset = at % FRAME_SIZE;
    const piece = new Uint8Array(
      words.buffer,
      words.byteOffset + offset,
      Math.min(FRAME_SIZE - offset, bytes.length - done),
    );
    bytes.set(piece, done);
    done += piece.length;
  }
}

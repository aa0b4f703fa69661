import { FRAME_SIZE } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { REGION_BYTES } from './stub-protocol.ts';

const FRAMES_PER_REGION = REGION_BYTES / FRAME_SIZE;

/**
 * The lowest places for the stub's region that share no frame with the image. Physical address 0 is none:
 * QEMU's loader cannot start there.
 * @returns `count` physical addresses, ascending
 */
export function freeRegions(image: PhysicalMemory, count: number): number[] {
  const places: number[] = [];
  const ranges = image.ranges[Symbol.iterator]();
  let next = ranges.next();
  for (let frame = FRAMES_PER_REGION; places.length < count; ) {
    const range = next.value;
    if (range === undefined || frame + FRAMES_PER_REGION <= range.firstFrame) {
      places.push(frame * FRAME_SIZE);
      frame += FRAMES_PER_REGION;
    } else {
      const end = range.firstFrame + range.frameCount;
      if (end > frame) frame = Math.ceil(end / FRAMES_PER_REGION) * FRAMES_PER_REGION;
      next = ranges.next();
    }
  }
  return places;
}

/** Whether a frame lies in the region at a physical address. */
export function isInRegion(frame: number, region: number): boolean {
  const offset = frame - region / FRAME_SIZE;
  return offset >= 0 && offset < FRAMES_PER_REGION;
}

/** Whether a run of frames has one in the region. */
export function overlapsRegion(
  { firstFrame, frameCount }: { readonly firstFrame: number; readonly frameCount: number },
  region: number,
): boolean {
  const regionFrame = region / FRAME_SIZE;
  return firstFrame < regionFrame + FRAMES_PER_REGION && regionFrame < firstFrame + frameCount;
}

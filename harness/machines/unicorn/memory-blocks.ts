import { FRAME_SIZE } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';

/** A run of guest physical memory. */
export interface Extent {
  /** Physical address in bytes, a multiple of 4096. */
  readonly address: number;
  readonly size: number;
}

/** Unicorn's memory map becomes slow with its length: some 40 milliseconds for this many blocks and gaps. */
const MAX_BLOCKS = 96;

/**
 * The blocks of memory that a guest gets: each of the stub's regions is one, and the image's ranges
 * share as many others as there may be. The smallest gaps between ranges are filled: what is there reads as zero
 * like memory that is not there, and accesses to it are observed just the same; only a table walk that leaves the
 * image for such a gap looks like one that finds an empty entry.
 * @param regions the stub's; no range overlaps them
 * @returns ascending blocks
 */
export function planBlocks(memory: PhysicalMemory, regions: readonly Extent[]): Extent[] {
  const ranges = memory.ranges.map(({ firstFrame, frameCount }) => ({
    address: firstFrame * FRAME_SIZE,
    size: frameCount * FRAME_SIZE,
    isRegion: false,
  }));
  const all = [...ranges, ...regions.map((region) => ({ ...region, isRegion: true }))].sort(
    (a, b) => a.address - b.address,
  );
  const limit = gapLimit(all);
  const blocks: (Extent & { isRegion: boolean })[] = [];
  for (const extent of all) {
    const last = blocks.at(-1);
    const mayJoin = last !== undefined && !last.isRegion && !extent.isRegion;
    if (mayJoin && extent.address - endOf(last) <= limit) {
      blocks[blocks.length - 1] = { ...last, size: endOf(extent) - last.address };
    } else {
      blocks.push(extent);
    }
  }
  return blocks.map(({ address, size }) => ({ address, size }));
}

/** What lies between ascending blocks, from 0 to `end`. */
export function gapsBetween(blocks: readonly Extent[], end: number): Extent[] {
  const gaps: Extent[] = [];
  let address = 0;
  for (const block of blocks) {
    if (block.address > address) gaps.push({ address, size: block.address - address });
    address = endOf(block);
  }
  if (end > address) gaps.push({ address, size: end - address });
  return gaps;
}

export function endOf({ address, size }: Extent): number {
  return address + size;
}

export function isInExtent(physicalAddress: number, { address, size }: Extent): boolean {
  return physicalAddress >= address && physicalAddress < address + size;
}

/** The largest gap that is filled: the smallest one that leaves no more than MAX_BLOCKS blocks. */
function gapLimit(ascending: readonly Extent[]): number {
  const gaps: number[] = [];
  for (let index = 1; index < ascending.length; index++) {
    gaps.push((ascending[index] as Extent).address - endOf(ascending[index - 1] as Extent));
  }
  if (gaps.length < MAX_BLOCKS) return 0;
  return gaps.sort((a, b) => b - a)[MAX_BLOCKS - 1] as number;
}

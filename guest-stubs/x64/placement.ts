import { FRAME_SIZE } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { STUB_REGION_ALIGNMENT, STUB_REGION_BYTES } from '../protocol.ts';

/** Levels of paging: 5 with CR4.LA57 (SDM Vol. 3A §4.5). */
export type PagingLevels = 4 | 5;

/** A place for the stub: where its region is in physical memory, and which top-level slot leads to it. */
export interface Placement {
  /** Index of the top-level entry that the graft takes. */
  readonly slot: number;
  /** Physical address of the region, below 4 GiB. */
  readonly region: number;
  /** Virtual address of the region: the first one of the slot. */
  readonly base: bigint;
}

/**
 * Three, because a probe can meet two: one by its address and another by where it lands.
 * What then remains is free of both.
 */
const PLACEMENTS = 3;

/** Where `reset` can run from. */
const REGION_LIMIT = 2 ** 32;

/** The ends of the address space and of its halves: probes like to go there, so the stub does not. */
const AVOIDED_SLOTS: readonly number[] = [255, 256, 511];

/** The top-level index of an address given by its upper 32 bits. */
export function topLevelSlot(high: number, levels: PagingLevels): number {
  return (high >>> (levels === 5 ? 16 : 7)) & 0x1ff;
}

/** The first address under a top-level entry, in canonical form. */
export function addressOfSlot(slot: number, levels: PagingLevels): bigint {
  return BigInt.asUintN(
    64,
    BigInt.asIntN(levels === 5 ? 57 : 48, BigInt(slot) << (levels === 5 ? 48n : 39n)),
  );
}

/**
 * Chooses places for the stub: physical memory that the image does not have, and top-level entries that are
 * not present as long as there are any. Slot 0 is never taken: `reset` runs there.
 * @param topLevel the 1024 words of the top-level table
 * @param missingTables frames outside the image that tables point to: no stub may lie there
 * @returns undefined if the image leaves no room below 4 GiB
 */
export function choosePlacements(
  memory: PhysicalMemory,
  topLevel: Uint32Array,
  levels: PagingLevels,
  missingTables: ReadonlySet<number>,
): readonly Placement[] | undefined {
  const slots = slotsByPreference(topLevel);
  const regions = freeRegions(memory, PLACEMENTS, missingTables);
  if (regions.length < PLACEMENTS) return undefined;
  return regions.map((region, index) => {
    const slot = slots[index] as number;
    return { slot, region, base: addressOfSlot(slot, levels) };
  });
}

function slotsByPreference(topLevel: Uint32Array): number[] {
  const cost = (slot: number) =>
    (((topLevel[2 * slot] as number) & 1) === 1 ? 2 : 0) + (AVOIDED_SLOTS.includes(slot) ? 1 : 0);
  return Array.from({ length: 511 }, (_, index) => 511 - index).sort((a, b) => cost(a) - cost(b));
}

function freeRegions(memory: PhysicalMemory, wanted: number, missingTables: ReadonlySet<number>): number[] {
  const obstacles = new Set(
    [...missingTables].map((frame) => Math.floor((frame * FRAME_SIZE) / STUB_REGION_ALIGNMENT)),
  );
  const regions: number[] = [];
  let candidate = STUB_REGION_ALIGNMENT;
  const take = (end: number) => {
    while (regions.length < wanted && candidate + STUB_REGION_BYTES <= Math.min(end, REGION_LIMIT)) {
      const unit = candidate / STUB_REGION_ALIGNMENT;
      if (obstacles.has(unit) || obstacles.has(unit + 1)) {
        candidate += STUB_REGION_ALIGNMENT;
      } else {
        regions.push(candidate);
        candidate += STUB_REGION_BYTES;
      }
    }
  };
  for (const range of memory.ranges) {
    take(range.firstFrame * FRAME_SIZE);
    const end = (range.firstFrame + range.frameCount) * FRAME_SIZE;
    candidate = Math.max(candidate, Math.ceil(end / STUB_REGION_ALIGNMENT) * STUB_REGION_ALIGNMENT);
  }
  take(REGION_LIMIT);
  return regions;
}

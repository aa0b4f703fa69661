import type { LayoutRegion } from '../../harness/inputs/layout/layout.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** A descriptor on the way to a region, found by nothing but the positions of the index bits in an address. */
export interface Descriptor {
  readonly entryAddress: bigint;
  readonly value: bigint;
  /** log2 of the bytes that the descriptor translates: 39, 30, 21, 12. */
  readonly shift: number;
  readonly isLeaf: boolean;
  /** First virtual address that it translates. */
  readonly first: bigint;
  /** The regions that need it. */
  readonly regions: readonly LayoutRegion[];
}

const SHIFTS = [39, 30, 21, 12] as const;
const ADDRESS_MASK = 0xf_ffff_ffff_f000n;

/** Whether a descriptor maps a page or block. */
export type IsLeaf = (value: bigint, shift: number) => boolean;

/** Every descriptor of a four-level table that the first or the last page of a region needs, each once. */
export function descriptorsOnTheWay(
  memory: PhysicalMemory,
  root: bigint,
  regions: readonly LayoutRegion[],
  isLeaf: IsLeaf,
): Descriptor[] {
  const found = new Map<bigint, Descriptor>();
  for (const region of regions) {
    for (const address of [region.base, region.base + region.size - 1n]) {
      let table = root;
      for (const shift of SHIFTS) {
        const entryAddress = table + ((address >> BigInt(shift)) & 0x1ffn) * 8n;
        const value = memory.readEntry(entryAddress) ?? 0n;
        const known = found.get(entryAddress);
        const needing = known?.regions ?? [];
        const descriptor = {
          entryAddress,
          value,
          shift,
          isLeaf: isLeaf(value, shift),
          first: (address >> BigInt(shift)) << BigInt(shift),
          regions: needing.includes(region) ? needing : [...needing, region],
        };
        found.set(entryAddress, descriptor);
        if (descriptor.isLeaf) break;
        table = value & ADDRESS_MASK;
      }
    }
  }
  return [...found.values()];
}

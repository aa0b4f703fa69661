import {
  type Descriptor,
  El1And0,
  El1Attributes,
  El2,
  El23Attributes,
  Mapping,
  type MappingOptions,
  MemoryRegion,
  PhysicalMemory,
  SequentialAllocator,
} from '../../src/index.ts';

export const PAGE = 0x1000;
export const BLOCK = 0x20_0000;
const TABLES = 0x1_0000_0000;
const FRAMES = 64;

const { Valid, Accessed, AttributeIndex1, InnerShareable, Uxn, NonGlobal } = El1Attributes;
/** Normal memory, writable. */
export const NORMAL = El1Attributes.union(Valid, Accessed, AttributeIndex1, InnerShareable, Uxn, NonGlobal);
export const READ_ONLY = El1Attributes.union(NORMAL, El1Attributes.ReadOnly);
export const NORMAL_EL2 = El23Attributes.fromBits(0x745n);

/** Memory with room for 64 tables, and the allocator that hands them out. */
export function tableMemory(): { memory: PhysicalMemory; allocator: SequentialAllocator } {
  return {
    memory: PhysicalMemory.allocate(TABLES, FRAMES * PAGE),
    allocator: new SequentialAllocator(TABLES, FRAMES * PAGE),
  };
}

/** An empty EL1&0 mapping of the lower range with a level 1 root. */
export function el1Mapping(options: Partial<MappingOptions<typeof El1And0>> = {}): Mapping<typeof El1And0> {
  return new Mapping({ regime: El1And0, rootLevel: 1, asid: 1, ...tableMemory(), ...options });
}

export function el2Mapping(options: Partial<MappingOptions<typeof El2>> = {}): Mapping<typeof El2> {
  return new Mapping({ regime: El2, rootLevel: 1, ...tableMemory(), ...options });
}

/** The range of `size` bytes from an address on. */
export function region(start: number | bigint, size: number): MemoryRegion {
  return new MemoryRegion(start, BigInt(start) + BigInt(size));
}

/** `[start, level, bits]` of every descriptor in a range that is not zero. */
export function entries(
  tables: { walkRange(region: MemoryRegion, visit: (descriptor: Descriptor) => void): void },
  where: MemoryRegion,
): [bigint, number, bigint][] {
  const found: [bigint, number, bigint][] = [];
  tables.walkRange(where, ({ region: { start }, level, bits }) => {
    if (bits !== 0n) found.push([start, level, bits]);
  });
  return found;
}

/** Everything in the tables' memory, to be compared. */
export function snapshot(memory: PhysicalMemory): string[] {
  return memory.ranges.map(({ words }) =>
    Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('base64'),
  );
}

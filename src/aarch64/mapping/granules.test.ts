import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NORMAL, NORMAL_EL2, PAGE } from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import {
  type AArch64Registers,
  Access,
  Constraints,
  createWalker,
  El1And0,
  El1Attributes,
  El2,
  type GranuleName,
  IdMap,
  LinearMap,
  Mapping,
  MemoryRegion,
  PhysicalMemory,
  Privilege,
  SequentialAllocator,
  Stage2,
  Stage2Attributes,
  TargetAllocator,
} from '../../index.ts';

/** No multiple of a larger granule: allocators have to align. */
const TABLES = 0x1_0000_1000;
const TABLES_SIZE = 0x200_0000;
const SIZES: Readonly<Record<GranuleName, number>> = { '4K': 0x1000, '16K': 0x4000, '64K': 0x1_0000 };
const TG0: Readonly<Record<GranuleName, bigint>> = { '4K': 0n, '64K': 1n, '16K': 2n };
const TG1: Readonly<Record<GranuleName, bigint>> = { '16K': 1n, '4K': 2n, '64K': 3n };
const BITS_48 = 5n;
const STAGE_2_RAM = Stage2Attributes.union(
  Stage2Attributes.Valid,
  Stage2Attributes.AccessFlag,
  Stage2Attributes.S2apAccessRW,
  Stage2Attributes.MemAttrNormalInnerWB,
  Stage2Attributes.MemAttrNormalOuterWB,
);

function tables(): { memory: PhysicalMemory; allocator: SequentialAllocator } {
  return {
    memory: PhysicalMemory.allocate(TABLES, TABLES_SIZE),
    allocator: new SequentialAllocator(TABLES, TABLES_SIZE),
  };
}

function registers(granule: GranuleName, bits: number, root: bigint): AArch64Registers {
  const txsz = BigInt(64 - bits);
  return {
    architecture: 'aarch64',
    exceptionLevel: 1,
    ttbr0: root,
    ttbr1: root,
    tcr: txsz | (TG0[granule] << 14n) | (txsz << 16n) | (TG1[granule] << 30n) | (BITS_48 << 32n),
    mair: 0xff00n,
    sctlr: 1n,
    hcrEl2: 0n,
  };
}

/** Stage 2 alone, for the guest-physical addresses that a root at a level translates. */
function stageTwoRegisters(
  granule: GranuleName,
  bits: number,
  level: number,
  root: bigint,
): AArch64Registers {
  const startLevel = granule === '4K' ? [2n, 1n, 0n, 3n][level] : [3n, 2n, 1n, 0n][level];
  const vtcr = BigInt(64 - bits) | ((startLevel ?? 0n) << 6n) | (TG0[granule] << 14n) | (BITS_48 << 16n);
  return { ...registers(granule, 48, 0n), sctlr: 0n, hcrEl2: 1n, vtcr, vttbr: root };
}

/** The physical address and the page size of a read, or the class of the fault. */
function read(
  memory: PhysicalMemory,
  with_: AArch64Registers,
  address: bigint,
): readonly [bigint, bigint] | 'fault' {
  const outcome = createWalker(memory, with_).translate({
    address,
    access: Access.Read,
    privilege: Privilege.Supervisor,
  });
  return outcome.kind === 'completes' ? [outcome.physicalAddress, outcome.pageSize] : 'fault';
}

describe('a root table translates', () => {
  test.each([
    ['4K', 0, 48],
    ['4K', 3, 21],
    ['16K', 0, 48],
    ['16K', 1, 47],
    ['16K', 2, 36],
    ['16K', 3, 25],
    ['64K', 1, 48],
    ['64K', 2, 42],
    ['64K', 3, 29],
  ] as const)(
    'with %s pages at level %d %d bits, to the last byte in both halves',
    (granule, rootLevel, bits) => {
      for (const vaRange of ['lower', 'upper'] as const) {
        const { memory, allocator } = tables();
        const map = new Mapping({ regime: El1And0, granule, rootLevel, vaRange, asid: 1, memory, allocator });
        expect(map.size).toBe(1n << BigInt(bits));
        const end = vaRange === 'lower' ? map.size : 1n << 64n;
        const page = BigInt(SIZES[granule]);
        map.mapRange(new MemoryRegion(end - page, end), 0x1234_0000, NORMAL);
        const under = registers(granule, bits, map.rootAddress);
        expect(read(memory, under, end - 1n)).toEqual([0x1233_ffffn + page, page]);
        expect(read(memory, under, end - page - 1n)).toBe('fault');
      }
    },
  );

  test('fewer bits where it is not full', () => {
    const { memory, allocator } = tables();
    const map = new Mapping({
      regime: El1And0,
      granule: '16K',
      rootLevel: 2,
      vaBits: 33,
      asid: 1,
      memory,
      allocator,
    });
    expect(map.size).toBe(1n << 33n);
    map.mapRange(new MemoryRegion(0x1_ffff_c000, 0x2_0000_0000), 0x4000, NORMAL);
    expect(read(memory, registers('16K', 33, map.rootAddress), 0x1_ffff_ffffn)).toEqual([0x7fffn, 0x4000n]);
    expect(errorOf(() => map.mapRange(new MemoryRegion(0, 0x2_0000_4000), 0, NORMAL)).code).toBe(
      'AddressRange',
    );
  });

  test.each([
    ['4K', 1, 43, 16, 0x100_0000_0000],
    ['4K', 2, 34, 16, 0x2_0000_0000],
    ['16K', 1, 48, 2, 0x8000_0000_0000],
    ['16K', 2, 40, 16, 0x80_0000_0000],
    ['64K', 2, 46, 16, 0x2000_0000_0000],
    ['64K', 3, 30, 2, 0x2000_0000],
  ] as const)(
    'with %s pages at level %d of stage 2 %d bits by %d tables one after the other',
    (granule, rootLevel, vaBits, rootTables, address) => {
      const { memory, allocator } = tables();
      const map = new IdMap({ regime: Stage2, granule, rootLevel, vaBits, memory, allocator });
      const page = BigInt(SIZES[granule]);
      expect(map.size).toBe(1n << BigInt(vaBits));
      for (const start of [0n, BigInt(address), map.size - page]) {
        map.mapRange(new MemoryRegion(start, start + page), STAGE_2_RAM);
      }
      const under = stageTwoRegisters(granule, vaBits, rootLevel, map.rootAddress);
      for (const last of [page, BigInt(address) + page, map.size]) {
        expect(read(memory, under, last - 1n)).toEqual([last - 1n, page]);
      }
      expect(read(memory, under, BigInt(address) - 1n)).toBe('fault');
      expect(map.rootAddress % (BigInt(rootTables) * page)).toBe(0n);
      for (const start of [0n, BigInt(address), map.size - page]) {
        map.mapRange(new MemoryRegion(start, start + page), Stage2Attributes.Empty);
      }
      map.compactSubtables();
      expect(allocator.allocatedPages).toBe((rootTables * Number(page)) / PAGE);
    },
  );
});

describe('blocks and the contiguous bit', () => {
  test.each([
    ['4K', 3, 16],
    ['4K', 2, 16],
    ['4K', 1, 16],
    ['16K', 3, 128],
    ['16K', 2, 32],
    ['64K', 3, 32],
    ['64K', 2, 32],
  ] as const)('with %s pages at level %d: runs of %d entries, and no fewer', (granule, level, run) => {
    const { memory, allocator } = tables();
    const map = new Mapping({
      regime: El1And0,
      granule,
      rootLevel: level === 3 ? 2 : level,
      asid: 1,
      memory,
      allocator,
    });
    const entry = SIZES[granule] * (SIZES[granule] / 8) ** (3 - level);
    const hints = (count: number, output: number): boolean[] => {
      const found: boolean[] = [];
      map.mapRange(new MemoryRegion(0, map.size), 0, El1Attributes.Empty);
      map.mapRange(new MemoryRegion(0, count * entry), output * entry, NORMAL);
      map.walkRange(new MemoryRegion(0, count * entry), ({ level: at, flags }) => {
        expect(at).toBe(level);
        found.push(El1Attributes.contains(flags, El1Attributes.ContiguousOrProtected));
      });
      return found;
    };
    expect(hints(run, run)).toEqual(Array(run).fill(true));
    expect(hints(run, 1)).toEqual(Array(run).fill(false));
    expect(hints(run - 1, 0)).toEqual(Array(run - 1).fill(false));
    expect(hints(run + 1, 0)).toEqual([...Array(run).fill(true), false]);
  });

  test.each([
    ['4K', 1, 0x4000_0000, 0x4000_0000n],
    ['16K', 1, 0x10_0000_0000, 0x200_0000n],
    ['64K', 1, 0x400_0000_0000, 0x2000_0000n],
  ] as const)(
    'with %s pages are not at levels where the architecture has none',
    (granule, rootLevel, size, block) => {
      const { memory, allocator } = tables();
      const map = new Mapping({ regime: El1And0, granule, rootLevel, asid: 1, memory, allocator });
      map.mapRange(new MemoryRegion(0, size), 0, NORMAL);
      const bits = Math.log2(Number(map.size));
      expect(read(memory, registers(granule, bits, map.rootAddress), BigInt(size) - 1n)).toEqual([
        BigInt(size) - 1n,
        block,
      ]);
    },
  );
});

/** A change, in pages of the granule. */
interface Change {
  readonly first: number;
  readonly count: number;
  readonly output: number;
  readonly mapped: boolean;
  readonly constraints: number;
}

/** Changes around the borders of tables and blocks, of up to two blocks and a bit. */
function changesIn(block: number): fc.Arbitrary<Change> {
  const near = fc
    .tuple(fc.constantFrom(0, 1, 2, 3), fc.integer({ min: -3, max: 40 }))
    .map(([k, by]) => k * block + by);
  return fc
    .record({
      first: near,
      end: near,
      output: fc.oneof(fc.nat(3 * block), fc.constantFrom(0, block, 32, 128)),
      mapped: fc.boolean(),
      constraints: fc.constantFrom(
        Constraints.None,
        Constraints.NoBlockMappings,
        Constraints.NoContiguousHint,
      ),
    })
    .map(({ first, end, ...rest }) => ({
      ...rest,
      first: Math.max(Math.min(first, end), 0),
      count: Math.max(Math.abs(end - first), 1),
    }));
}

test.each([
  ['4K', 1],
  ['4K', 0],
  ['16K', 2],
  ['16K', 0],
  ['64K', 2],
  ['64K', 1],
] as const)(
  'with %s pages and a level %d root the walker finds what was last mapped',
  (granule, rootLevel) => {
    const size = SIZES[granule];
    const block = size / 8;
    fc.assert(
      fc.property(fc.array(changesIn(block), { minLength: 1, maxLength: 8 }), (changes) => {
        const { memory, allocator } = tables();
        const map = new Mapping({ regime: El1And0, granule, rootLevel, asid: 1, memory, allocator });
        for (const { first, count, output, mapped, constraints } of changes) {
          const region = new MemoryRegion(first * size, (first + count) * size);
          map.mapRange(region, output * size, mapped ? NORMAL : El1Attributes.Empty, constraints);
        }
        const under = registers(granule, Math.log2(Number(map.size)), map.rootAddress);
        const borders = changes.flatMap(({ first, count }) => [first, first + count]);
        for (const page of borders.flatMap((border) => [border - 1, border, border + 1])) {
          if (page < 0) continue;
          const last = changes.findLast(({ first, count }) => first <= page && page < first + count);
          const found = read(memory, under, BigInt(page * size + 5));
          const wanted =
            last?.mapped === true ? BigInt((last.output + page - last.first) * size + 5) : 'fault';
          expect(found === 'fault' ? found : found[0], `page ${page}`).toBe(wanted);
        }
      }),
      { numRuns: 60 },
    );
  },
);

describe('what a granule does not allow', () => {
  const make = (options: { granule?: GranuleName; rootLevel: number; vaBits?: number }) => () =>
    new IdMap({ regime: El2, ...tables(), ...options });
  const makeStageTwo = (options: { granule?: GranuleName; rootLevel: number; vaBits?: number }) => () =>
    new IdMap({ regime: Stage2, ...tables(), ...options });

  test('a root level that it does not have is refused', () => {
    expect(errorOf(make({ granule: '64K', rootLevel: 0 })).message).toMatch(
      /root level is 0, not 1 to 3 with the 64 KiB/,
    );
    expect(errorOf(makeStageTwo({ granule: '16K', rootLevel: 0 })).code).toBe('InvalidRootLevel');
    expect(errorOf(make({ granule: '16K', rootLevel: 4 })).code).toBe('InvalidRootLevel');
  });

  test.each([
    [make({ rootLevel: 1, vaBits: 40 }), /vaBits is 40; a level 1 root of 4 KiB tables translates 31 to 39/],
    [make({ granule: '16K', rootLevel: 1, vaBits: 36 }), /translates 37 to 47/],
    [makeStageTwo({ rootLevel: 1, vaBits: 44 }), /translates 31 to 43/],
    [makeStageTwo({ granule: '16K', rootLevel: 1, vaBits: 49 }), /translates 37 to 48/],
    [make({ granule: '8K' as '4K', rootLevel: 1 }), /the granule is 8K/],
  ])('a width that the root does not translate, or no granule, is refused', (attempt, message) => {
    expect(attempt).toThrow(RangeError);
    expect(attempt).toThrow(message);
  });

  test.each([
    ['16K', 0x1000, 0x4000],
    ['16K', 0, 0x2000],
    ['64K', 0x1_0000, 0x2_4000],
  ] as const)(
    'a range of %s pages that has a part of one is refused, nothing is rounded',
    (granule, start, end) => {
      const map = make({ granule, rootLevel: 2 })();
      const region = new MemoryRegion(start, end);
      for (const call of [
        () => map.mapRange(region, NORMAL_EL2),
        () => map.modifyRange(region, () => {}),
        () => map.walkRange(region, () => {}),
      ]) {
        expect(errorOf(call).code).toBe('UnalignedAddress');
      }
    },
  );

  test('an output address, or an offset, that is no multiple of a page is refused', () => {
    const map = new Mapping({ regime: El2, granule: '16K', rootLevel: 2, ...tables() });
    const region = new MemoryRegion(0, 0x4000);
    expect(errorOf(() => map.mapRange(region, 0x1000, NORMAL_EL2)).message).toMatch(/no multiple of 16384/);
    expect(errorOf(() => map.mapRange(region, 0x1000n, NORMAL_EL2)).code).toBe('UnalignedAddress');
    const linear = () =>
      new LinearMap({ regime: El2, granule: '16K', rootLevel: 2, offset: 0x1000, ...tables() });
    expect(errorOf(linear).code).toBe('InvalidOffset');
  });

  test('VALID at a level that has no blocks is refused', () => {
    const map = make({ granule: '16K', rootLevel: 1 })();
    const attempt = () =>
      map.modifyRange(new MemoryRegion(0, 0x10_0000_0000), (descriptor) => descriptor.set(0, NORMAL_EL2));
    expect(errorOf(attempt).message).toMatch(/a block at level 1, which is reserved/);
  });
});

test.each(['16K', '64K'] as const)(
  'a target allocator gives %s tables in one piece each, wherever its block begins',
  (granule) => {
    const base = 0x4_3000;
    const allocator = new TargetAllocator(base);
    const { memory } = allocator;
    const map = new IdMap({ regime: El1And0, granule, rootLevel: 2, asid: 1, memory, allocator });
    const block = SIZES[granule] ** 2 / 8;
    for (let k = 0; k < 12; k++) {
      map.mapRange(new MemoryRegion(k * block, k * block + SIZES[granule]), NORMAL);
    }
    const bytes = allocator.asBytes();
    const target = new PhysicalMemory();
    target.addRange(base, bytes.buffer as ArrayBuffer);
    const under = registers(granule, Math.log2(Number(map.size)), map.rootAddress);
    for (let k = 0; k < 12; k++) {
      expect(read(target, under, BigInt(k * block))).toEqual([BigInt(k * block), BigInt(SIZES[granule])]);
    }
    map.mapRange(new MemoryRegion(0, map.size), El1Attributes.Empty);
    map.compactSubtables();
    const again = allocator.allocatePage(SIZES[granule], SIZES[granule]);
    expect(again % SIZES[granule]).toBe(0);
    expect(again).toBeLessThan(base + bytes.length);
  },
);

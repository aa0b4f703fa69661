import { describe, expect, test } from 'vitest';
import {
  BLOCK,
  el1Mapping,
  entries,
  NORMAL,
  PAGE,
  READ_ONLY,
  region,
  tableMemory,
} from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import {
  Constraints,
  El1And0,
  El1Attributes,
  IdMap,
  LinearMap,
  MemoryRegion,
  RootTable,
  TargetAllocator,
} from '../../index.ts';

const normalBits = El1Attributes.toBits(NORMAL);
const readOnlyBits = El1Attributes.toBits(READ_ONLY);
const { Empty, Valid, ReadOnly } = El1Attributes;
const UPPER = 0xffff_ff80_0000_0000n;

describe('a memory region has whole pages', () => {
  test.each([
    [0x1234, 0x2345, 0x1000n, 0x3000n],
    [0x1000, 0x2000, 0x1000n, 0x2000n],
    [0, 0, 0n, 0n],
    [UPPER + 1n, UPPER + 1n, UPPER, UPPER + 0x1000n],
    [0n, 1n << 64n, 0n, 1n << 64n],
    [0n, (1n << 64n) - 4096n, 0n, (1n << 64n) - 4096n],
    [0n, (1n << 64n) - 4095n, 0n, 0n],
  ])('%s to %s', (start, end, roundedStart, roundedEnd) => {
    const rounded = new MemoryRegion(start, end);
    expect([rounded.start, rounded.end]).toEqual([roundedStart, roundedEnd]);
  });

  test('of addresses: nothing else', () => {
    expect(() => new MemoryRegion(-1, 0)).toThrow(RangeError);
    expect(() => new MemoryRegion(0.5, 1)).toThrow(RangeError);
    expect(() => new MemoryRegion(0, (1n << 64n) + 1n)).toThrow(RangeError);
  });
});

describe('mapRange', () => {
  test('uses blocks where virtual and output address allow it, and pages elsewhere', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(BLOCK - PAGE, BLOCK + 2 * PAGE), 0x4000_0000 + BLOCK - PAGE, NORMAL);
    expect(entries(map, region(0, 4 * BLOCK))).toEqual([
      [BigInt(BLOCK - PAGE), 3, BigInt(0x4000_0000 + BLOCK - PAGE) | normalBits | 2n],
      [BigInt(BLOCK), 2, BigInt(0x4000_0000 + BLOCK) | normalBits],
      [BigInt(2 * BLOCK), 3, BigInt(0x4000_0000 + 2 * BLOCK) | normalBits | 2n],
    ]);
  });

  test('uses pages only if the addresses are out of step, or if told so', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(0, BLOCK), PAGE, NORMAL);
    map.mapRange(region(BLOCK, BLOCK), BLOCK, NORMAL, Constraints.NoBlockMappings);
    const found = entries(map, region(0, 2 * BLOCK));
    expect(found).toHaveLength(1024);
    expect(found.every(([, level]) => level === 3)).toBe(true);
  });

  test('splits a block of which a part changes; the rest stays as it was', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(0, BLOCK), 0, NORMAL);
    map.mapRange(region(PAGE, PAGE), PAGE, READ_ONLY);
    const found = entries(map, region(0, BLOCK));
    expect(found).toHaveLength(512);
    for (const [start, level, bits] of found) {
      expect([start, level, bits]).toEqual([
        start,
        3,
        start | (start === 0x1000n ? readOnlyBits : normalBits) | 2n,
      ]);
    }
  });

  test('never makes a block at level 0', () => {
    const map = el1Mapping({ rootLevel: 0 });
    map.mapRange(region(0, 2 ** 39), 0, NORMAL);
    expect(entries(map, region(0, 2 ** 39)).map(([, level]) => level)).toEqual(Array(512).fill(1));
  });

  test('has no nT in pages, where bit 16 is address', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(0, BLOCK + PAGE), 0, El1Attributes.union(NORMAL, El1Attributes.NoTranslation));
    expect(entries(map, region(0, 2 * BLOCK))).toEqual([
      [0n, 2, normalBits | 0x1_0000n],
      [BigInt(BLOCK), 3, BigInt(BLOCK) | normalBits | 2n],
    ]);
    map.mapRange(region(PAGE, PAGE), PAGE, READ_ONLY);
    expect(entries(map, region(0, PAGE))).toEqual([[0n, 3, normalBits | 2n]]);
  });

  test('maps the last entry and the last page of the upper range', () => {
    const map = el1Mapping({ vaRange: 'upper' });
    map.mapRange(new MemoryRegion(-0x2000n & 0xffff_ffff_ffff_ffffn, 1n << 64n), 0x8000, NORMAL);
    expect(entries(map, new MemoryRegion(-0x20_0000n & 0xffff_ffff_ffff_ffffn, 1n << 64n))).toEqual([
      [0xffff_ffff_ffff_e000n, 3, 0x8000n | normalBits | 2n],
      [0xffff_ffff_ffff_f000n, 3, 0x9000n | normalBits | 2n],
    ]);
  });

  test('without VALID unmaps, and gives back tables that it covers wholly', () => {
    const { memory, allocator } = tableMemory();
    const map = el1Mapping({ memory, allocator });
    map.mapRange(region(0, BLOCK), PAGE, NORMAL);
    expect(allocator.allocatedPages).toBe(3);
    map.mapRange(region(0, BLOCK), 0, Empty);
    expect(allocator.allocatedPages).toBe(2);
    expect(entries(map, region(0, BLOCK))).toEqual([]);
  });

  test('an allocator that takes nothing back gives unlinked tables a second life', () => {
    const { memory, allocator } = tableMemory();
    const map = el1Mapping({ memory, allocator: { allocatePage: () => allocator.allocatePage() } });
    for (let round = 0; round < 100; round++) {
      map.mapRange(region(0, BLOCK), PAGE, NORMAL);
      map.mapRange(region(0, BLOCK), 0, Empty);
    }
    expect(allocator.allocatedPages).toBe(3);
  });
});

describe('modifyRange', () => {
  test('changes attributes and keeps addresses', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(0, 2 * BLOCK), 0, NORMAL);
    map.modifyRange(region(0, BLOCK + PAGE), (descriptor) => descriptor.modifyFlags(ReadOnly, Empty));
    const found = entries(map, region(0, 2 * BLOCK));
    expect(found.slice(0, 3)).toEqual([
      [0n, 2, readOnlyBits],
      [BigInt(BLOCK), 3, BigInt(BLOCK) | readOnlyBits | 2n],
      [BigInt(BLOCK + PAGE), 3, BigInt(BLOCK + PAGE) | normalBits | 2n],
    ]);
  });

  test('refuses reserved descriptors, tables, and whatever the callback throws', () => {
    const map = el1Mapping({ rootLevel: 0 });
    const fault = (where: MemoryRegion, set: bigint) =>
      errorOf(() =>
        map.modifyRange(where, (descriptor) => descriptor.modifyFlags(El1Attributes.fromBits(set), Empty)),
      );
    expect(fault(region(0, PAGE), 1n)).toMatchObject({ code: 'PteUpdateFault', details: { bits: 0n } });
    expect(fault(region(0, 2 ** 39), 1n)).toMatchObject({ code: 'PteUpdateFault', details: { bits: 0n } });
    expect(fault(region(0, PAGE), 2n)).toMatchObject({ code: 'PteUpdateFault', details: { bits: 0n } });
    map.mapRange(region(0, PAGE), 0x7000, NORMAL);
    const thrown = errorOf(() =>
      map.modifyRange(region(0, PAGE), () => {
        throw new Error('no');
      }),
    );
    expect(thrown).toMatchObject({ code: 'PteUpdateFault', details: { bits: 0x7000n | normalBits | 2n } });
    expect(thrown.cause).toEqual(new Error('no'));
  });

  test('the callback cannot change the tables in another way', () => {
    const map = el1Mapping();
    expect(
      errorOf(() => map.modifyRange(region(0, PAGE), () => void map.compactSubtables())).message,
    ).toMatch(/cannot be changed from within/);
  });

  test('set gives a descriptor an output address', () => {
    const map = el1Mapping();
    map.modifyRange(region(0, BLOCK), (descriptor) => descriptor.set(BLOCK, NORMAL));
    expect(entries(map, region(0, BLOCK))).toEqual([[0n, 2, BigInt(BLOCK) | normalBits]]);
    expect(errorOf(() => map.modifyRange(region(0, BLOCK), (d) => d.set(PAGE, NORMAL))).code).toBe(
      'PteUpdateFault',
    );
    expect(
      errorOf(() => map.modifyRange(region(0, BLOCK), (d) => d.set(1n << 48n, NORMAL))).cause,
    ).toMatchObject({
      code: 'PhysAddrNotValid',
    });
  });
});

describe('identity and linear maps', () => {
  const options = () => ({ regime: El1And0, rootLevel: 1, asid: 1, ...tableMemory() });

  test('an identity map maps every address to itself', () => {
    const map = new IdMap(options());
    map.mapRange(region(0x5000, PAGE), NORMAL);
    expect(entries(map, region(0, BLOCK))).toEqual([[0x5000n, 3, 0x5000n | normalBits | 2n]]);
    expect(map.asid).toBe(1);
    expect(map.size).toBe(1n << 39n);
  });

  test('a linear map adds its offset to the signed address', () => {
    const map = new LinearMap({ ...options(), vaRange: 'upper', offset: 1n << 39n });
    map.mapRange(region(UPPER + 0x5000n, PAGE), NORMAL);
    expect(entries(map, region(UPPER, BLOCK))).toEqual([[UPPER + 0x5000n, 3, 0x5000n | normalBits | 2n]]);
    const down = new LinearMap({ ...options(), offset: -0x4000 });
    down.mapRange(region(0x5000, PAGE), NORMAL);
    expect(entries(down, region(0, BLOCK))).toEqual([[0x5000n, 3, 0x1000n | normalBits | 2n]]);
  });

  test('an address that the offset leads out of the address space is named', () => {
    const down = new LinearMap({ ...options(), offset: -0x4000 });
    expect(errorOf(() => down.mapRange(region(0x3000, 2 * PAGE), NORMAL))).toMatchObject({
      code: 'InvalidVirtualAddress',
      details: { va: 0x3000n },
    });
    // 0x1000 has an output address below 2^63, 0x2000 has none.
    const up = new LinearMap({ ...options(), offset: (1n << 63n) - 0x2000n });
    expect(errorOf(() => up.mapRange(region(0x1000, 2 * PAGE), NORMAL))).toMatchObject({
      code: 'InvalidVirtualAddress',
      details: { va: 0x2000n },
    });
    expect(errorOf(() => up.mapRange(region(0x1000, PAGE), NORMAL)).code).toBe('PhysAddrNotValid');
  });
});

describe('tables for a target', () => {
  test('are given as bytes for the base address', () => {
    const allocator = new TargetAllocator(0x1_0000);
    const table = new RootTable({ regime: El1And0, rootLevel: 1, memory: allocator.memory, allocator });
    table.mapRange(region(0, PAGE), 0x4_2000, El1Attributes.fromBits(0x40_0000_0000_0301n));
    const bytes = allocator.asBytes();
    expect(bytes).toHaveLength(3 * PAGE);
    const view = new DataView(bytes.buffer);
    expect([0, PAGE, 2 * PAGE].map((at) => view.getBigUint64(at, true))).toEqual([
      0x1_1003n,
      0x1_2003n,
      0x0040_0000_0004_2303n,
    ]);
    expect(bytes.filter((byte) => byte !== 0)).toHaveLength(3 + 3 + 4);
  });

  test('grow beyond the first piece of memory, and use the lowest free frame', () => {
    const allocator = new TargetAllocator(0x1_0000);
    const frames = Array.from({ length: 200 }, () => allocator.allocatePage());
    expect(frames).toEqual(frames.map((_, index) => 0x1_0000 + index * PAGE));
    for (const frame of [50, 3, 120]) allocator.releasePage(0x1_0000 + frame * PAGE);
    expect([1, 2, 3, 4].map(() => (allocator.allocatePage() - 0x1_0000) / PAGE)).toEqual([3, 50, 120, 200]);
    expect(() => allocator.releasePage(0x1_0000 + 500 * PAGE)).toThrow(RangeError);
    expect(() => new TargetAllocator(1)).toThrow(RangeError);
  });
});

describe('compactSubtables', () => {
  test('frees tables that are all zero, and nothing else', () => {
    const { memory, allocator } = tableMemory();
    const map = el1Mapping({ memory, allocator });
    map.mapRange(region(0, PAGE), 0, NORMAL);
    map.mapRange(region(BLOCK, PAGE), 0, NORMAL);
    map.mapRange(region(0, PAGE), 0, Empty);
    expect(allocator.allocatedPages).toBe(4);
    map.compactSubtables();
    expect(allocator.allocatedPages).toBe(3);
    map.modifyRange(region(BLOCK, PAGE), (descriptor) => descriptor.modifyFlags(Empty, Valid));
    map.compactSubtables();
    expect(allocator.allocatedPages).toBe(3);
    map.mapRange(region(BLOCK, PAGE), 0, Empty);
    map.compactSubtables();
    expect(allocator.allocatedPages).toBe(1);
  });
});

test('print shows tables, and alike entries as one line', () => {
  const map = el1Mapping({ contiguousHints: false });
  map.mapRange(region(0x3000, 3 * PAGE), 0x8000, NORMAL);
  map.mapRange(region(0x6000, PAGE), 0xb000, READ_ONLY);
  const attributes = 'AttributeIndex1 | InnerShareable | Valid | TableOrPage';
  const lines = map.print().split('\n');
  expect(lines.slice(0, 3)).toEqual([
    'EL1&0, lower range: root table at 0x100000000, level 1',
    '  0: 0x0–0x3fffffff table at 0x100001000',
    '    0: 0x0–0x1fffff table at 0x100002000',
  ]);
  expect(lines[3]).toMatch(`      3–5: 0x3000–0x5fff 3 pages → 0x8000 ${attributes}`);
  expect(lines[4]).toMatch(/^ {6}6: 0x6000–0x6fff page → 0xb000 .*ReadOnly/);
  expect(lines).toHaveLength(5);
});

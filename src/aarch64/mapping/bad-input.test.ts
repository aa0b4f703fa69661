import { describe, expect, test } from 'vitest';
import {
  BLOCK,
  el1Mapping,
  NORMAL,
  PAGE,
  READ_ONLY,
  region,
  snapshot,
  tableMemory,
} from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import { El1And0, El1Attributes, FailingAllocator, IdMap, LinearMap, MemoryRegion } from '../../index.ts';

const normalBits = El1Attributes.toBits(NORMAL);
const { Empty, ReadOnly } = El1Attributes;
const UPPER = 0xffff_ff80_0000_0000n;

describe('bad input is a typed error, and changes nothing', () => {
  const { memory, allocator } = tableMemory();
  const map = el1Mapping({ memory, allocator, physicalAddressBits: 40, contiguousHints: false });
  map.mapRange(region(0, BLOCK), 0, NORMAL);
  const size = 2 ** 39;

  test.each([
    [
      'a backwards range',
      () => map.mapRange(new MemoryRegion(PAGE, 0), 0, NORMAL),
      'RegionBackwards',
      { start: 0x1000n, end: 0n },
    ],
    [
      'a range across the end',
      () => map.mapRange(region(size - PAGE, 2 * PAGE), 0, NORMAL),
      'AddressRange',
      { va: BigInt(size + PAGE) },
    ],
    ['an upper address', () => map.mapRange(region(UPPER, PAGE), 0, NORMAL), 'AddressRange', { va: UPPER }],
    [
      'TABLE_OR_PAGE',
      () => map.mapRange(region(0, PAGE), 0, El1Attributes.fromBits(3n)),
      'InvalidFlags',
      { bits: 3n },
    ],
    [
      'an output address too wide',
      () => map.mapRange(region(0, 2 * PAGE), 2 ** 40 - PAGE, NORMAL),
      'PhysAddrNotValid',
      { address: 1n << 40n },
    ],
    ['an unaligned output address', () => map.mapRange(region(0, PAGE), 1, NORMAL), 'UnalignedAddress', {}],
    [
      'a walk out of range',
      () => map.walkRange(region(UPPER, PAGE), () => {}),
      'AddressRange',
      { va: UPPER },
    ],
    [
      'a walk that throws',
      () =>
        map.walkRange(region(0, PAGE), () => {
          throw new Error('no');
        }),
      'PteUpdateFault',
      { bits: normalBits },
    ],
    [
      'a failing update after a split',
      () =>
        map.modifyRange(region(PAGE, 2 * PAGE), (d) => {
          if (d.startPage === 2) throw new Error('no');
          d.modifyFlags(ReadOnly, Empty);
        }),
      'PteUpdateFault',
      { bits: 0x2000n | normalBits | 2n },
    ],
  ])('%s', (_, call, code, details) => {
    const before = snapshot(memory);
    const frames = allocator.allocatedPages;
    expect(errorOf(call)).toMatchObject({ code, details });
    expect(snapshot(memory)).toEqual(before);
    expect(allocator.allocatedPages).toBe(frames);
  });

  test('an empty range is Ok and changes nothing', () => {
    const before = snapshot(memory);
    map.mapRange(region(PAGE, 0), 0, READ_ONLY);
    map.modifyRange(region(PAGE, 0), (descriptor) => descriptor.modifyFlags(ReadOnly, Empty));
    map.walkRange(region(PAGE, 0), () => expect.unreachable());
    expect(snapshot(memory)).toEqual(before);
  });

  test('a range that goes from one half into the other', () => {
    const upper = el1Mapping({ vaRange: 'upper' });
    const across = new MemoryRegion(0x1000, UPPER + 0x1000n);
    expect(errorOf(() => upper.mapRange(across, 0, NORMAL)).details).toEqual({ va: 0x1000n });
    expect(errorOf(() => map.mapRange(across, 0, NORMAL)).details).toEqual({ va: UPPER + 0x1000n });
  });

  test('a root level that is none, an offset that is no multiple of a page', () => {
    for (const rootLevel of [4, -1, 1.5]) {
      expect(errorOf(() => el1Mapping({ rootLevel })).code).toBe('InvalidRootLevel');
    }
    const options = { regime: El1And0, rootLevel: 1, asid: 1, ...tableMemory() };
    expect(errorOf(() => new LinearMap({ ...options, offset: 2048 }))).toMatchObject({
      code: 'InvalidOffset',
      details: { offset: 2048n },
    });
  });

  test('an object of plain JavaScript that has addresses, and is no region', () => {
    const alike = { start: 0n, end: 0x1000n } as unknown as MemoryRegion;
    const before = snapshot(memory);
    const identity = new IdMap({ regime: El1And0, rootLevel: 1, asid: 1, ...tableMemory() });
    for (const call of [
      () => map.mapRange(alike, 0, NORMAL),
      () => identity.mapRange(alike, NORMAL),
      () => map.modifyRange(alike, () => {}),
      () => map.walkRange(alike, () => {}),
    ]) {
      expect(call).toThrow(new RangeError('the region is no MemoryRegion: it has no pages'));
    }
    expect(snapshot(memory)).toEqual(before);
  });

  test('running out of frames takes back what was done', () => {
    const fresh = tableMemory();
    const failing = el1Mapping({ memory: fresh.memory, allocator: new FailingAllocator(fresh.allocator, 2) });
    const before = snapshot(fresh.memory);
    expect(errorOf(() => failing.mapRange(region(PAGE, 2 * BLOCK), PAGE, NORMAL)).code).toBe(
      'OutOfResources',
    );
    expect(snapshot(fresh.memory)).toEqual(before);
    expect(fresh.allocator.allocatedPages).toBe(1);
  });
});

import { describe, expect, test } from 'vitest';
import { complaintsOf } from '../../../test/inputs/complaints.ts';
import { geometryOf } from './aarch64-geometry.ts';
import type { AArch64Layout } from './layout.ts';
import { readLayout } from './read-layout.ts';

function layoutOf(head: string, regions = '[]'): AArch64Layout {
  return readLayout('f', `architecture: aarch64\n${head}\nregions: ${regions}\n`) as AArch64Layout;
}

function complaintOf(head: string, regions = '[]'): string {
  const complaints = complaintsOf(() => layoutOf(head, regions));
  expect(complaints).toHaveLength(1);
  const [{ line, column, message } = { message: '' }] = complaints;
  return `${line}:${column} ${message}`;
}

describe('what a layout leaves out', () => {
  test.each([
    ['regime: el1', '4K', 48, 0],
    ['vaBits: 39', '4K', 39, 1],
    ['vaBits: 40', '4K', 40, 0],
    ['rootLevel: 1', '4K', 39, 1],
    ['rootLevel: 3', '4K', 21, 3],
    ['granule: 16K', '16K', 48, 0],
    ['granule: 64K', '64K', 48, 1],
    ['{granule: 64K, vaBits: 42}', '64K', 42, 2],
    ['{granule: 16K, rootLevel: 2}', '16K', 36, 2],
    ['{regime: stage2, granule: 16K}', '16K', 47, 1],
    ['{regime: stage2, vaBits: 40, rootLevel: 1}', '4K', 40, 1],
    ['{regime: stage2, vaBits: 43, rootLevel: 1}', '4K', 43, 1],
    // Side by side, unless the root has 16 entries or more.
    ['{regime: stage2, vaBits: 40}', '4K', 40, 1],
    ['{regime: stage2, vaBits: 42}', '4K', 42, 1],
    ['{regime: stage2, vaBits: 43}', '4K', 43, 0],
    ['{regime: stage2, vaBits: 32}', '4K', 32, 2],
    ['{regime: stage2, granule: 16K, vaBits: 40}', '16K', 40, 1],
    ['{regime: stage2, granule: 16K, vaBits: 39}', '16K', 39, 2],
    ['{regime: stage2, granule: 64K, vaBits: 44}', '64K', 44, 2],
  ])('%s: pages of %s, %i bits from level %i', (head, granule, vaBits, rootLevel) => {
    const lines = head.replace(/[{}]/g, '').replaceAll(', ', '\n');
    expect(geometryOf(layoutOf(lines))).toMatchObject({ granule, vaBits, rootLevel });
  });
});

describe('tables that there are not are refused', () => {
  test.each([
    ['rootLevel: 4', '2:12 "4" is out of range: it must be 0 to 3'],
    ['rootLevel: -1', '2:12 expected a number'],
    ['vaBits: 52', '2:9 "52" is out of range: it must be 16 to 48'],
    ['paBits: 41', '2:9 paBits 41: physical addresses have 32, 36, 40, 42, 44, 48 bits'],
    ['regime: el4', '2:9 unknown regime: "el4"'],
    ['granule: 8K', '2:10 unknown granule: "8K"'],
    [
      'vaBits: 48\nrootLevel: 2',
      '3:12 rootLevel 2 does not fit vaBits 48: its table translates 30 bits; with pages of 4K such walks start at level 0',
    ],
    [
      'vaBits: 39\nrootLevel: 0',
      '3:12 rootLevel 0 does not fit vaBits 39: fewer levels are needed; with pages of 4K such walks start at level 1',
    ],
    ['granule: 64K\nrootLevel: 0', '3:12 rootLevel 0: with pages of 64K walks start at level 1 to 3'],
    ['granule: 64K\nvaBits: 16', '3:9 vaBits 16: with pages of 64K addresses have 17 to 48 bits'],
    [
      'regime: stage2\ngranule: 16K\nvaBits: 48',
      '4:9 vaBits 48: at stage 2 with pages of 16K addresses have 15 to 47 bits',
    ],
    [
      'regime: stage2\nvaBits: 44\nrootLevel: 1',
      '4:12 rootLevel 1 does not fit vaBits 44: its table translates 39 bits; at stage 2',
    ],
    [
      'regime: el1\nvaBits: 40\nrootLevel: 1',
      '4:12 rootLevel 1 does not fit vaBits 40: its table translates 39 bits; with',
    ],
    [
      'regime: stage2\npaBits: 44',
      "3:9 paBits 44: at stage 2 a guest's physical address, of 48 bits, is no wider than a physical one",
    ],
    [
      'regime: stage2\nvaBits: 40\nrootLevel: 0\npaBits: 42',
      '5:9 paBits 42: at stage 2 walks start at level 0 only with 44 bits or more',
    ],
  ])('%j', (head, message) => {
    expect(complaintOf(head)).toContain(message);
  });
});

describe('a region lies where its regime has addresses', () => {
  const region = (base: string, size = '4K') => `[{ name: r, base: ${base}, size: ${size}, physical: 0 }]`;

  test.each([
    ['regime: el1', '0xffff000000000000'],
    ['regime: el1', '0xfffffffffffff000'],
    ['regime: el1', '0xfffffffff000'],
    ['regime: el2-vhe\nvaBits: 39', '0xffffff8000000000'],
    ['regime: el3\nvaBits: 36', '0xffffff000'],
  ])('%j: %s can be mapped', (head, base) => {
    expect(layoutOf(head, region(base)).regions).toHaveLength(1);
  });

  test.each([
    ['regime: el1', '0xfffffffff000', '8K', 'address 0x1000000000000 is in neither 48-bit half of EL1&0'],
    [
      'regime: el1',
      '0xfffeffffffffe000',
      '12K',
      'address 0xfffeffffffffe000 is in neither 48-bit half of EL1&0',
    ],
    [
      'regime: el2-vhe\nvaBits: 39',
      '0x7ffffff000',
      '8K',
      'address 0x8000000000 is in neither 39-bit half of EL2&0',
    ],
    [
      'regime: el1',
      '0xfffffffffffff000',
      '8K',
      'the region ends at 0x10000000000001000, beyond the last address',
    ],
    [
      'regime: el2',
      '0xffff000000000000',
      '4K',
      'address 0xffff000000000000 is beyond the 48-bit range of EL2',
    ],
    [
      'regime: el3\nvaBits: 36',
      '0xffffff000',
      '8K',
      'address 0x1000000000 is beyond the 36-bit range of EL3',
    ],
    ['regime: stage2\nvaBits: 40', '1T', '4K', 'address 0x10000000000 is beyond the 40-bit range of stage 2'],
  ])('%j: %s of %s cannot', (head, base, size, message) => {
    expect(complaintOf(head, region(base, size))).toContain(`region "r": ${message}`);
  });

  test('at its own address only where that is a physical one of the declared size', () => {
    const own = (base: string) => `[{ name: r, base: ${base}, size: 4K }]`;
    expect(complaintOf('paBits: 36', own('64G'))).toContain('0x1000000fff is no 36-bit physical address');
    expect(complaintOf('regime: el1', own('0xffff000000000000'))).toContain('is no 48-bit physical address');
  });

  test('in whole pages of its granule', () => {
    const odd = '[{ name: r, base: 0x1000, size: 16K }]';
    expect(complaintOf('granule: 16K', odd)).toContain('base 0x1000 is not a multiple of 16384 (0x4000)');
    expect(complaintOf('granule: 64K', '[{ name: r, base: 0, size: 0 }]')).toContain(
      'size 0: a region has at least one page of 65536 bytes',
    );
  });
});

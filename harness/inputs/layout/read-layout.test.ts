import { describe, expect, test } from 'vitest';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import { complaintsOf } from '../../../test/inputs/complaints.ts';
import { type Complaint, InputError } from '../input-error.ts';
import { readLayout } from './read-layout.ts';

const X64 = 'architecture: x64\npaging: 4-level\nregions:\n';
const EL2 = 'architecture: aarch64\nregime: el2\nregions:\n';

const complaintsAbout = (text: string) => complaintsOf(() => readLayout('layout.yaml', text));

/** The only complaint about a text. */
function complaintOf(text: string): Complaint | undefined {
  const complaints = complaintsAbout(text);
  expect(complaints).toHaveLength(1);
  return complaints[0];
}

function region(base: string, size: string, attributes = '', name = 'r'): string {
  return `  - {name: ${name}, base: ${base}, size: ${size}, attributes: [${attributes}]}\n`;
}

describe('a good layout', () => {
  test('has its regions in ascending order with pages, attributes and places', () => {
    const layout = readLayout(
      'f',
      `${X64}${region('4G', '2M', 'uncached, execute-protect', 'devices')}${region('0x100000', '8K', 'read-only', 'code')}`,
    );
    expect(layout).toEqual({
      architecture: 'x64',
      paging: '4-level',
      regions: [
        {
          name: 'code',
          base: 0x100000n,
          size: 0x2000n,
          firstPage: 0x100,
          pageCount: 2,
          firstFrame: 0x100,
          attributes: MemoryAttributes.ReadOnly,
          place: { line: 5, column: 5 },
        },
        {
          name: 'devices',
          base: 1n << 32n,
          size: 0x200000n,
          firstPage: 0x100000,
          pageCount: 512,
          firstFrame: 0x100000,
          attributes: MemoryAttributes.Uncached | MemoryAttributes.ExecuteProtect,
          place: { line: 4, column: 5 },
        },
      ],
    });
  });

  test('may be JSON', () => {
    const json = JSON.stringify({
      architecture: 'x64',
      paging: '5-level',
      regions: [{ name: 'a', base: 4096, size: '4K', attributes: [] }],
    });
    expect(readLayout('f', json)).toMatchObject({
      paging: '5-level',
      regions: [{ base: 4096n, size: 4096n, attributes: 0 }],
    });
  });

  test('may leave out paging, regime and attributes', () => {
    expect(readLayout('f', 'architecture: x64\nregions: []')).toEqual({
      architecture: 'x64',
      paging: '4-level',
      regions: [],
    });
    expect(readLayout('f', 'architecture: aarch64\nregions: [{name: a, base: 0, size: 4K}]')).toMatchObject({
      regime: 'el2',
      regions: [{ attributes: MemoryAttributes.Writeback }],
    });
  });

  test('may touch the last address that can be mapped, and regions may be neighbours', () => {
    const text = `${X64}${region('0x7ffffffff000', '4K')}${region('0x7fffffffe000', '4K')}`;
    expect(readLayout('f', text).regions).toHaveLength(2);
    expect(
      readLayout('f', `architecture: x64\npaging: 5-level\nregions:\n${region('0xffffffffff000', '4K')}`)
        .regions,
    ).toHaveLength(1);
    expect(readLayout('f', `${EL2}${region('0xfefffffff000', '4K')}`).regions).toHaveLength(1);
  });
});

describe('AArch64 cache attributes', () => {
  test('a region without one is writeback, a region with one keeps it', () => {
    const text = `${EL2}${region('0', '4K', 'read-only')}${region('4K', '4K', 'write-combining')}`;
    expect(readLayout('f', text).regions.map(({ attributes }) => attributes)).toEqual([
      MemoryAttributes.Writeback | MemoryAttributes.ReadOnly,
      MemoryAttributes.WriteCombining,
    ]);
  });

  test('an x64 region without one stays without', () => {
    expect(readLayout('f', `${X64}${region('0', '4K')}`).regions[0]?.attributes).toBe(0);
  });

  test('uncached memory must be execute-protect', () => {
    expect(complaintOf(`${EL2}${region('0', '4K', 'uncached')}`)).toMatchObject({
      line: 4,
      message: 'region "r": uncached (device) memory must be execute-protect on aarch64',
    });
    expect(complaintsAbout(`${EL2}${region('0', '4K', 'uncached, execute-protect')}`)).toEqual([]);
    expect(complaintsAbout(`${X64}${region('0', '4K', 'uncached')}`)).toEqual([]);
  });

  test.each(['uncached-export', 'write-protect'])('%s exists on x64 only', (attribute) => {
    expect(complaintOf(`${EL2}${region('0', '4K', attribute)}`)?.message).toContain(
      'does not exist on aarch64',
    );
    expect(complaintsAbout(`${X64}${region('0', '4K', attribute)}`)).toEqual([]);
  });
});

describe('a complaint names line, column and value', () => {
  test.each([
    ['an unknown attribute', region('0', '4K', 'read-onli'), '"read-onli" (did you mean "read-only"?)', 47],
    ['two cache types', region('0', '4K', 'writeback, uncached'), '"uncached" contradicts "writeback"', 58],
    ['an attribute twice', region('0', '4K', 'read-only, read-only'), '"read-only" stands twice', 58],
    ['a misaligned base', region('0x1001', '4K'), 'base 0x1001 is not a multiple of 4096', 21],
    ['a misaligned size', region('0', '4097'), 'size 0x1001 is not a multiple of 4096', 30],
    ['a size of zero', region('0', '0'), 'size 0: a region has at least one page', 30],
    [
      'an address of 2^64',
      region('18446744073709551616', '4K'),
      '"18446744073709551616" is out of range: it must be 0 to 0xffffffffffffffff',
      21,
    ],
    ['a size of 2^64', region('0', '16777216T'), '"16777216T" is out of range', 30],
    ['an end beyond 2^64', region('0xfffffffffffff000', '8K'), 'ends at 0x10000000000001000, beyond', 21],
    ['a non-canonical base', region('0x800000000000', '4K'), 'address 0x800000000000 is not canonical', 21],
    ['a non-canonical end', region('0x7ffffffff000', '8K'), 'address 0x800000000000 is not canonical', 21],
    [
      'the end of the hole',
      region('0xffff7ffffffff000', '4K'),
      'address 0xffff7ffffffff000 is not canonical',
      21,
    ],
    [
      'the upper half',
      region('0xffff800000000000', '4K'),
      '0xffff800000000fff is no 52-bit physical address',
      21,
    ],
    ['a word for a number', region('low', '4K'), 'found "low"', 21],
    ['a negative number', region('-4096', '4K'), 'found "-4096"', 21],
  ])('%s', (_what, text, message, column) => {
    const complaint = complaintOf(`${X64}${text}`);
    expect(complaint?.message).toContain(message);
    expect(complaint).toMatchObject({ line: 4, column });
  });

  test.each([
    [
      'an unknown key',
      'architecture: x64\npagin: 4-level\nregions: []\n',
      'unknown key "pagin" in an x64 layout (did you mean "paging"?)',
      2,
      1,
    ],
    [
      "the other architecture's key",
      'architecture: x64\nregime: el2\nregions: []\n',
      'unknown key "regime" in an x64 layout',
      2,
      1,
    ],
    [
      'an unknown architecture',
      'architecture: x86\nregions: []\n',
      'unknown architecture: "x86" (did you mean "x64"?); expected x64, aarch64',
      1,
      15,
    ],
    [
      'an unknown paging mode',
      'architecture: x64\npaging: 3-level\nregions: []\n',
      'unknown paging: "3-level"',
      2,
      9,
    ],
    ['no architecture', 'paging: 4-level\nregions: []\n', 'key "architecture" is missing', 1, 1],
    ['a page of text', 'x'.repeat(4096), `found "${'x'.repeat(60)}…"`, 1, 1],
    ['no regions', 'architecture: x64\n', 'key "regions" is missing', 1, 1],
    ['a list at the top', '- a\n', 'expected a layout as a map of keys and values, found a list', 1, 1],
    ['text at the top', 'hello\n', 'found "hello"', 1, 1],
    ['regions as a map', 'architecture: x64\nregions: {a: 1}\n', 'expected a list, found a map', 2, 10],
    ['a region as text', 'architecture: x64\nregions:\n  - low\n', 'found "low"', 3, 5],
    [
      'no name',
      'architecture: x64\nregions:\n  - {base: 0, size: 4K}\n',
      'key "name" is missing in a region',
      3,
      5,
    ],
  ])('%s', (_what, text, message, line, column) => {
    const complaint = complaintOf(text);
    expect(complaint?.message).toContain(message);
    expect(complaint).toMatchObject({ line, column });
  });

  test('beyond the 48-bit range of AArch64', () => {
    expect(complaintOf(`${EL2}${region('0x1000000000000', '4K')}`)?.message).toContain(
      'address 0x1000000000000 is beyond the 48-bit range of EL2',
    );
  });
});

test('supervisor is kept where there is a user: not at EL2', () => {
  const attributesAt = (mode: string) =>
    readLayout('f', mode + region('0', '4K', 'supervisor')).regions[0]?.attributes ?? 0;
  expect(attributesAt(X64) & MemoryAttributes.Supervisor).not.toBe(0);
  expect(attributesAt(EL2.replace('el2', 'el1')) & MemoryAttributes.Supervisor).not.toBe(0);
  expect(attributesAt(EL2) & MemoryAttributes.Supervisor).toBe(0);
});

describe('overlaps', () => {
  test('are reported with both names, both ranges and both lines', () => {
    const text = `${X64}${region('2M', '4K', '', 'inside')}${region('1M', '2M', '', 'around')}`;
    expect(complaintOf(text)).toEqual({
      message: 'region "inside" (0x200000–0x200fff) overlaps region "around" (0x100000–0x2fffff) of line 5',
      line: 4,
      column: 5,
    });
  });

  test('are found behind a region that ends earlier than one before it', () => {
    const text = `${X64}${region('1M', '1M', '', 'a')}${region('1M', '4K', '', 'b')}${region('0x1ff000', '8K', '', 'c')}`;
    expect(complaintsAbout(text).map(({ message }) => message)).toEqual([
      expect.stringContaining('"b" (0x100000–0x100fff) overlaps region "a"'),
      expect.stringContaining('"c" (0x1ff000–0x200fff) overlaps region "a"'),
    ]);
  });

  test('do not hide behind another error of the same file', () => {
    const text = `${X64}${region('1M', '8K')}${region('1M', '4K')}${region('1', '4K')}  - {nam: x}\n`;
    expect(complaintsAbout(text).map(({ line }) => line)).toEqual([5, 6, 7, 7, 7, 7]);
  });
});

describe('a layout of 10,000 regions', () => {
  const regions = Array.from({ length: 10_000 }, (_, index) =>
    region(`0x${(index * 0x3000).toString(16)}`, '8K'),
  );

  test('is read', () => {
    expect(readLayout('f', X64 + regions.join('')).regions).toHaveLength(10_000);
  });

  test('with an overlap in every region has all complaints, and a message of bounded length', () => {
    const overlapping = X64 + regions.map((line) => line.replace('8K', '16K')).join('');
    const complaints = complaintsAbout(overlapping);
    expect(complaints).toHaveLength(9_999);
    const { message } = new InputError('f', complaints);
    expect(message.split('\n')).toHaveLength(21);
    expect(message).toContain('f: … and 9979 more');
  });
});

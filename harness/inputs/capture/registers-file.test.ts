import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Registers } from '../../../src/registers.ts';
import { complaintsOf } from '../../../test/inputs/complaints.ts';
import type { Complaint } from '../input-error.ts';
import { formatRegisters, readRegisters, registersFileOf } from './registers-file.ts';

test.each([
  ['ovmf.core', 'ovmf.regs.json'],
  ['ovmf.core.gz', 'ovmf.regs.json'],
  ['dir.core/dump', 'dir.core/dump.regs.json'],
  ['dump.elf', 'dump.elf.regs.json'],
])('the registers of %s stand in %s', (core, registers) => {
  expect(registersFileOf(core)).toBe(registers);
});

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const bits = fc.integer({ min: 32, max: 52 });
const anyRegisters: fc.Arbitrary<Registers> = fc.oneof(
  fc.record(
    {
      architecture: fc.constant('x64' as const),
      cr0: u64,
      cr3: u64,
      cr4: u64,
      efer: u64,
      pat: u64,
      physicalAddressBits: bits,
    },
    {
      requiredKeys: ['architecture', 'cr0', 'cr3', 'cr4', 'efer', 'physicalAddressBits'],
      noNullPrototype: true,
    },
  ),
  fc.record(
    {
      architecture: fc.constant('aarch64' as const),
      exceptionLevel: fc.constantFrom(1 as const, 2 as const, 3 as const),
      ttbr0: u64,
      ttbr1: u64,
      tcr: u64,
      mair: u64,
      sctlr: u64,
      hcrEl2: u64,
      vtcr: u64,
      vttbr: u64,
      scrEl3: u64,
      cpu: fc.constantFrom('max', 'cortex-a72'),
      physicalAddressBits: fc.constantFrom(32, 36, 40, 42, 44, 48, 52),
    },
    {
      requiredKeys: ['architecture', 'exceptionLevel', 'ttbr0', 'ttbr1', 'tcr', 'mair', 'sctlr', 'hcrEl2'],
      noNullPrototype: true,
    },
  ),
);

test('registers that are written read back as they were', () => {
  fc.assert(
    fc.property(anyRegisters, (registers) => {
      expect(readRegisters('f', formatRegisters(registers, 'a test'))).toEqual(registers);
    }),
  );
});

describe('a wrong registers file is refused with field, value, line and column', () => {
  const GOOD = {
    arch: 'x64',
    cr0: '0x80010033',
    cr3: '0x7801000',
    cr4: '0x668',
    efer: '0xd00',
    physicalAddressBits: 40,
  };

  function complaintsAbout(content: unknown): readonly Complaint[] {
    const text = typeof content === 'string' ? content : JSON.stringify(content, undefined, 1);
    return complaintsOf(() => readRegisters('ovmf.regs.json', text));
  }

  test('but not a good one', () => {
    expect(complaintsAbout(GOOD)).toEqual([]);
  });

  test.each([
    ['a missing field', { ...GOOD, cr4: undefined }, 'key "cr4" is missing in an x64 registers file', 1],
    ['a value that is no number', { ...GOOD, cr3: 'seven' }, 'found "seven"', 4],
    [
      'a value beyond 64 bits',
      { ...GOOD, efer: '0x10000000000000000' },
      '"0x10000000000000000" is out of range',
      6,
    ],
    [
      'too few address bits',
      { ...GOOD, physicalAddressBits: 31 },
      '"31" is out of range: it must be 32 to 52',
      7,
    ],
    [
      'an unknown field',
      { ...GOOD, cr2: '0x0' },
      'unknown key "cr2" in an x64 registers file (did you mean "cr0"?)',
      8,
    ],
    ['an unknown architecture', { ...GOOD, arch: 'arm' }, 'unknown arch: "arm"', 2],
    ['a field of another type', { ...GOOD, cr0: [1] }, 'found a list', 3],
    [
      'address bits that no AArch64 processor has',
      {
        arch: 'aarch64',
        exceptionLevel: 1,
        ttbr0: 0,
        ttbr1: 0,
        tcr: 0,
        mair: 0,
        sctlr: 0,
        hcrEl2: 0,
        physicalAddressBits: 41,
      },
      '"41" is none of 32, 36, 40, 42, 44, 48, 52',
      10,
    ],
  ])('%s', (_what, content, message, line) => {
    const [complaint, ...more] = complaintsAbout(content);
    expect(more).toEqual([]);
    expect(complaint?.message).toContain(message);
    expect(complaint?.line).toBe(line);
  });

  test('a field that stands twice', () => {
    expect(complaintsAbout('{"arch": "x64",\n"cr3": 0, "cr3": 1}')).toMatchObject([{ line: 2, column: 11 }]);
  });

  test('an empty file, and one that is no JSON', () => {
    expect(complaintsAbout('')).toMatchObject([{ message: 'the file is empty' }]);
    expect(complaintsAbout('{"arch": ')[0]?.line).toBe(1);
  });
});

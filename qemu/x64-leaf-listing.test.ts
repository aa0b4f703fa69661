import { describe, expect, test } from 'vitest';
import { CacheBit } from '../harness/listed-leaves.ts';
import { compareListing } from '../harness/verdict-listing.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { X64Registers } from '../src/registers.ts';
import { createWalker } from '../src/walker.ts';
import { qemuX64 } from './qemu-x64.ts';
import { parseLeafListing } from './x64-leaf-listing.ts';

const NOTHING_HIDDEN = { firstPage: 0, pageCount: 0 };

describe('the answer of "info tlb"', () => {
  test('gives each leaf its page, its frame and the bits that no access shows', () => {
    const text =
      '0000000000200000: 0000000000600000 X-PDA---W\r\nffffffffff000000: 000000ff00001000 -G--ACTU-\r\n';
    const { length, pageNumber, frame, bits } = parseLeafListing('m', text, NOTHING_HIDDEN);
    expect(length).toBe(2);
    expect([...pageNumber]).toEqual([0x200, 0xf_ffff_ffff_f000]);
    expect([...frame]).toEqual([0x600, 0xff0_0001]);
    expect([...bits]).toEqual([0, CacheBit.Global | CacheBit.Disable | CacheBit.WriteThrough]);
  });

  test('leaves the pages of the stub out', () => {
    const text =
      '0000000000001000: 0000000000001000 --------W\n0000000000002000: 0000000000002000 --------W\n';
    const { length, pageNumber } = parseLeafListing('m', text, { firstPage: 1, pageCount: 1 });
    expect([...pageNumber.subarray(0, length)]).toEqual([2]);
  });

  test.each([
    'PG disabled',
    '0000000000001000: 0000000000001000 --------',
    '0000000000001000: 0000000000001000 --------WW',
    '0000000000001000: 0000000000001000 -W------W',
    '0000000000001000; 0000000000001000 --------W',
    '0000000000001000:0 000000000001000 --------W',
    '000000000000100g: 0000000000001000 --------W',
    '0000000000001000: 0000000000001000 --------W 0000000000001000: 0000000000001000 --------W',
  ])('is refused where a line has another form: %s', (line) => {
    for (const text of [`${line}\n`, `${line}\r\n`, line]) {
      expect(() => parseLeafListing('m', text, NOTHING_HIDDEN)).toThrow(
        `m: "info tlb" printed ${JSON.stringify(line)}`,
      );
    }
  });
});

const BASE = 0x20_0000;
const PAGES = [
  { page: 0x40, bits: 0n },
  { page: 0x41, bits: 0x08n },
  { page: 0x42, bits: 0x10n },
  { page: 0x43, bits: 0x118n },
];

/** Four pages with PWT, PCD and G in different leaves. */
function image(): { memory: PhysicalMemory; registers: X64Registers } {
  const memory = PhysicalMemory.allocate(BASE, 0x4000);
  for (const level of [0, 1, 2])
    memory.writeEntry(BASE + level * 0x1000, BigInt(BASE + (level + 1) * 0x1000) | 7n);
  for (const { page, bits } of PAGES)
    memory.writeEntry(BASE + 0x3000 + page * 8, BigInt(page * 0x1000) | 7n | bits);
  const registers: X64Registers = {
    architecture: 'x64',
    cr0: 0x8001_0033n,
    cr3: BigInt(BASE),
    cr4: 0xa0n,
    efer: 0xd00n,
    physicalAddressBits: 40,
  };
  return { memory, registers };
}

test('QEMU lists the leaves of the tables under test as they are, and a leaf that is otherwise is found', async () => {
  const machine = await qemuX64.open();
  try {
    const { memory, registers } = image();
    await machine.load({ memory, registers });
    const listed = await machine.listLeaves?.();
    if (listed === undefined) throw new Error('nothing is listed');
    const leaves = createWalker(memory, registers).leaves();
    expect(compareListing(leaves, memory, listed)).toEqual({
      compared: PAGES.length,
      notListed: 0,
      findings: [],
    });

    const pcd = BASE + 0x3000 + 0x40 * 8;
    memory.writeEntry(pcd, (memory.readEntry(pcd) ?? 0n) | 0x10n);
    expect(compareListing(leaves, memory, listed).findings).toEqual([
      { address: 0x40_000n, what: 'the machine lists the leaf with another PCD' },
    ]);
    leaves.frame[1] = 0x77;
    expect(compareListing(leaves, memory, listed).findings[1]).toEqual({
      address: 0x41_000n,
      what: 'the machine lists the leaf at 0x41000, the walker at 0x77000',
    });
  } finally {
    await machine.close();
  }
});

import { describe, expect, test } from 'vitest';
import type { AArch64Registers } from '../../src/registers.ts';
import { TCR_LOWER_HALF, TCR_UPPER_HALF } from './control-registers.ts';
import { neededGranules, neededPhysicalAddressBits, planStub } from './stub-plan.ts';
import { ALIAS_OFFSET, CODE_BYTES, REGION_BYTES, TABLES_OFFSET } from './stub-protocol.ts';

const REGION = 0x20_0000;
const EL1: AArch64Registers = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: 0x4000_0000n,
  ttbr1: 0x0012_0000_4000_1000n,
  tcr: 0x5_8082_3510n | (1n << 22n),
  mair: 0xff_0400n,
  sctlr: 0x30d0_198dn,
  hcrEl2: 0n,
};
const EL2: AArch64Registers = { ...EL1, exceptionLevel: 2, tcr: 0x8085_3520n, ttbr1: 0n };

const noMemory = () => {
  throw new Error('nothing is to be read');
};

/** Memory that holds root entries at one address. */
function rootAt(address: number, entries: readonly bigint[]) {
  return (at: number, bytes: Uint8Array) => {
    expect(at).toBe(address);
    new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8).set(entries);
  };
}

const ADDRESS_MASK = 0x0000_ffff_ffff_f000n;

/** The last-level descriptor of an offset in the stub's mapping, found by walking the stub's own tables. */
function leafOf(tables: Uint8Array, offset: number, slot: number): bigint {
  const entries = new BigUint64Array(tables.buffer);
  const entry = (address: bigint, index: number) =>
    entries[(Number(address & ADDRESS_MASK) - REGION - TABLES_OFFSET) / 8 + index] as bigint;
  const root = BigInt(REGION + TABLES_OFFSET);
  return entry(entry(entry(root, slot), 0), offset / 0x1000);
}

describe('EL1&0', () => {
  const plan = planStub(EL1, noMemory);

  test('bit 55 of an address decides from where it is probed', () => {
    expect(plan.installationFor(0x5000, 0)).toBe(0);
    expect(plan.installationFor(0x5000, 0xff7f_ffff)).toBe(0);
    expect(plan.installationFor(0x5000, 0xffff_ffff)).toBe(1);
    expect(plan.installationFor(0x5000, 0x0080_0000)).toBe(1);
  });

  test('all that translates the probed half stays as it is', () => {
    const lower = plan.install(0, REGION, noMemory).registers;
    const upper = plan.install(1, REGION, noMemory).registers;
    expect(lower.ttbr0).toBe(EL1.ttbr0);
    expect(upper.ttbr1).toBe(EL1.ttbr1);
    expect(lower.tcr & ~TCR_UPPER_HALF).toBe(EL1.tcr & ~TCR_UPPER_HALF);
    expect(upper.tcr & ~TCR_LOWER_HALF).toBe(EL1.tcr & ~TCR_LOWER_HALF);
    expect([lower.mair, upper.mair]).toEqual([EL1.mair, EL1.mair]);
  });

  test('the stub is in the other half, under the ASID that was there', () => {
    const lower = plan.install(0, REGION, noMemory);
    const upper = plan.install(1, REGION, noMemory);
    expect(lower.stubAddress).toBe(0xffff_ff80_4000_0000n);
    expect(upper.stubAddress).toBe(0x4000_0000n);
    expect(lower.registers.ttbr1).toBe(0x0012_0000_0022_0000n);
  });

  test('code is never writable, data is never executable', () => {
    const { tables } = plan.install(0, REGION, noMemory);
    for (let offset = 0; offset < REGION_BYTES; offset += 0x1000) {
      const leaf = leafOf(tables, offset, 1);
      const isCode = offset < CODE_BYTES;
      const physical = REGION + (offset < ALIAS_OFFSET ? offset : offset - ALIAS_OFFSET);
      expect(leaf & ADDRESS_MASK).toBe(BigInt(physical));
      expect((leaf >> 6n) & 3n).toBe(isCode ? 3n : 0n); // AP[2:1]
      expect((leaf >> 53n) & 3n).toBe(isCode ? 0n : 3n); // UXN, PXN
      expect((leaf >> 2n) & 7n).toBe(2n); // the first byte of MAIR that is normal memory
    }
  });
});

describe('EL2', () => {
  const table = 0x4000_2003n;
  const block = 0x8000_0741n;

  test.each([
    ['the first two free entries', [table, 0n, block, 0n], [1, 3]],
    ['the free entry and one from the end', [table, 0n, block, block], [1, 3]],
    ['the free entry at the end and the one before', [table, block, block, 0n], [3, 2]],
    ['used entries from the end', [table, block, block, block], [3, 2]],
  ] as const)('borrows %s', (_, entries, slots) => {
    const plan = planStub(EL2, rootAt(0x4000_0000, entries));
    expect(plan.copiedRoot).toEqual({ address: 0x4000_0000, bytes: 32, slots });
    const within = slots[0] * 2 ** 30;
    expect(plan.installationFor(within, 0)).toBe(1);
    expect(plan.installationFor(((slots[0] + 1) % 4) * 2 ** 30, 0)).toBe(0);
  });

  test('the copy has every other entry of the root as it is when installed', () => {
    const plan = planStub(EL2, rootAt(0x4000_0000, [table, 0n, block, 0n]));
    const now = [block, 0n, table, block];
    const { tables, registers, stubAddress } = plan.install(0, REGION, rootAt(0x4000_0000, now));
    const copy = [...new BigUint64Array(tables.buffer, 0, 4)];
    expect(copy.toSpliced(1, 1)).toEqual(now.toSpliced(1, 1));
    expect(stubAddress).toBe(0x4000_0000n);
    expect(registers.ttbr0).toBe(BigInt(REGION + TABLES_OFFSET));
    expect(registers.tcr).toBe(EL2.tcr);
    expect(leafOf(tables, 0x20_000, 1)).toBe(0x0040_0000_0022_074bn & ~0x300n); // XN, AP[1] = 1, no shareability
  });
});

test.each<[string, Partial<AArch64Registers>, RegExp]>([
  ['the MMU off', { sctlr: 0n }, /sctlr 0x0: the MMU is off/],
  ['big-endian tables', { sctlr: 0x30d0_198dn | (1n << 25n) }, /sctlr .* big-endian/],
  ['EL2 of Secure state', { ...EL2, scrEl3: 0n }, /scrEl3 0x0: EL2 .* Secure state/],
  ['a reserved granule at EL3', { ...EL2, exceptionLevel: 3, tcr: EL2.tcr | (3n << 14n) }, /tcr .* TG0/],
  ['stage 2 without its registers', { hcrEl2: 1n }, /vtcr undefined: stage 2 is on/],
  ['a reserved granule at EL2', { ...EL2, tcr: EL2.tcr | (3n << 14n) }, /tcr .* TG0/],
  ['an EL2 address space of 16 bits', { ...EL2, tcr: (EL2.tcr & ~0x3fn) | 48n }, /tcr .* 16 bits/],
])('%s is refused by the register that says so', (_, change, message) => {
  const plan = () => planStub({ ...EL1, ...change }, noMemory);
  expect(plan).toThrow(RangeError);
  expect(plan).toThrow(message);
});

test('a processor with more physical address bits behaves as the one that the image assumes', () => {
  const image = { ...EL1, physicalAddressBits: 40 };
  expect(planStub(image, noMemory).install(0, REGION, noMemory).registers.tcr >> 32n).toBe(2n);
  expect(neededPhysicalAddressBits(image)).toBe(40);
  expect(neededPhysicalAddressBits({ ...EL1, cpu: 'max' })).toBe(48);
});

test('a half without walks needs no granule', () => {
  expect(neededGranules(EL1).map(({ shift }) => shift)).toEqual([12]);
  expect(neededGranules({ ...EL1, tcr: EL1.tcr | 0x80n }).map(({ shift }) => shift)).toEqual([]);
  expect(neededGranules({ ...EL2, tcr: EL2.tcr | (1n << 14n) }).map(({ shift }) => shift)).toEqual([16]);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import type { AArch64Registers, X64Registers } from '../../src/registers.ts';
import { Bit as ArmBit, HandmadeTables as ArmTables, Hcr } from './aarch64-tables.ts';
import { Bit, HandmadeTables } from './x64-tables.ts';

const unfit = (message: RegExp) =>
  expect.objectContaining({ code: 'unfit', message: expect.stringMatching(message) });

describe('unicorn-x64 refuses what its 40 physical address bits would turn into something else', () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await unicornX64.open();
  });
  afterAll(() => machine.close());

  const load = (physical: bigint, physicalAddressBits: number) => {
    const { registers, memory } = new HandmadeTables().map(0x5000n, physical, Bit.P | Bit.W);
    return machine.load({ memory, registers: { ...(registers as X64Registers), physicalAddressBits } });
  };

  test('an image for fewer bits', async () => {
    await expect(load(0x5000n, 36)).rejects.toEqual(unfit(/for 36 physical address bits.*has 40/));
  });

  test('an image that maps a higher address, but not one that only could', async () => {
    const beyond = 1n << 40n;
    await expect(load(beyond, 46)).rejects.toEqual(
      unfit(/0x5000 is mapped to physical address 0x10000000000/),
    );
    await load(beyond - 0x1000n, 46);
  });
});

describe('unicorn-aarch64 refuses what its processor does not have', () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await unicornAArch64.open();
  });
  afterAll(() => machine.close());

  const load = (change: (registers: AArch64Registers) => Partial<AArch64Registers>) => {
    const { registers, memory } = new ArmTables().map(0x5000n, 0x5000n, ArmBit.AF);
    const before = registers as AArch64Registers;
    return machine.load({ memory, registers: { ...before, ...change(before) } });
  };
  const withTcr = (bits: bigint) => load(({ tcr }) => ({ tcr: tcr | bits }));

  test.each([
    ['FEAT_HAFDBS', 39n],
    ['FEAT_HAFDBS', 40n],
    ['FEAT_E0PD', 55n],
    ['FEAT_LPA2', 59n],
  ])('%s', async (feature, bit) => {
    await expect(withTcr(1n << bit)).rejects.toEqual(unfit(new RegExp(feature)));
  });

  test('EL2 with E2H', async () => {
    const host = () => ({ exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE }) as const;
    await expect(load(host)).rejects.toEqual(unfit(/HCR_EL2 .* AT walks other tables/));
    await load(() => ({ ...host(), cpu: 'cortex-a72' }));
  });

  test('but not the same bits where the image is for a processor that ignores them', async () => {
    await load(({ tcr }) => ({ tcr: tcr | (1n << 39n), cpu: 'cortex-a72' }));
  });

  test('nor a size offset that the architecture leaves open', async () => {
    const image = ({ tcr }: { tcr: bigint }) => ({ tcr: (tcr & ~0x3fn) | 44n, cpu: 'cortex-a72' });
    await expect(load(image)).rejects.toEqual(unfit(/TCR_EL1 .* size offset of 44, beyond 39/));
  });

  test.each([
    ['FEAT_LVA', 12n],
    ['FEAT_TTST', 44n],
  ])('%s', async (feature, size) => {
    await expect(load(({ tcr }) => ({ tcr: (tcr & ~0x3fn) | size }))).rejects.toEqual(
      unfit(new RegExp(feature)),
    );
  });

  test('memory beyond 48 bits', async () => {
    const { registers, memory } = new ArmTables();
    memory.addRange(1n << 48n, new ArrayBuffer(0x1000));
    await expect(machine.load({ registers, memory })).rejects.toEqual(
      unfit(/does not fit below 0x1000000000000/),
    );
  });
});

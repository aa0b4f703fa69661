import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import {
  type BitOdds,
  chance,
  oneOf,
  type Random,
  randomAddresses,
  randomFrom,
  randomTables,
  seeds,
  TABLE_FRAMES,
} from '../walker/random-tables.ts';
import { compareWithWalker } from './walker-comparison.ts';

const ODDS: BitOdds = {
  ...{ 0: 94, 1: 80, 2: 50, 3: 50, 4: 50, 6: 60, 7: 35, 8: 50, 9: 50, 10: 85 },
  ...{ 51: 20, 53: 20, 54: 20, 59: 10, 60: 10, 61: 10, 62: 10, 63: 10 },
};
const ADDRESSES = 150;
const RUNS = 60;

/** Bits of TCR that a machine has: TBI, HPD, and of QEMU HA, HD and E0PD. */
const QEMU_BITS = { 1: [37, 38, 39, 40, 41, 42], rare: [55, 56], 2: [20, 21, 22, 24] } as const;
const UNICORN_BITS = { 1: [37, 38, 41, 42], rare: [], 2: [20, 24] } as const;
type Bits = typeof QEMU_BITS | typeof UNICORN_BITS;

describe.each([
  { provider: qemuAArch64, bits: QEMU_BITS },
  { provider: unicornAArch64, bits: UNICORN_BITS },
])('on random tables under random registers the walker and $provider.name', ({ provider, bits }) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  test.each([1, 2] as const)('say the same of every access at EL%i', async (exceptionLevel) => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = randomFrom(seed);
        const registers = randomRegisters(random, exceptionLevel, bits);
        const image = { registers, memory: randomTables(random, ODDS) };
        const accesses = randomAccesses(random, registers);
        compared += await compareWithWalker(machine, image, accesses, `tcr ${hex(registers.tcr)}`);
      }),
      { numRuns: RUNS },
    );
    // Tables that lead out of memory answer nothing; most of the others must have.
    expect(compared).toBeGreaterThan(RUNS * ADDRESSES);
  });
});

function randomAccesses(random: Random, { exceptionLevel, tcr }: AArch64Registers): AccessList {
  const privileges = exceptionLevel === 1 ? [Privilege.Supervisor, Privilege.User] : [Privilege.Supervisor];
  const perAddress = 3 * privileges.length;
  const accesses = new AccessList(ADDRESSES * perAddress);
  const bits = (upper: boolean) => 64 - Number((tcr >> (upper ? 16n : 0n)) & 0x3fn);
  const addresses = randomAddresses(random, () => exceptionLevel === 1 && chance(random, 50), bits);
  let index = 0;
  while (index < accesses.length) {
    const address = addresses.next().value;
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    for (const privilege of privileges) {
      for (const access of [Access.Read, Access.Write, Access.Execute]) {
        accesses.set(index++, low, high, access, privilege);
      }
    }
  }
  return accesses;
}

/**
 * Sizes, EPD, TBI, HPD, HA, HD, E0PD, IPS and WXN. Not TBID: after a data access to a tagged address QEMU also
 * fetches from it, because both use one TLB entry (see the machine's limits).
 */
function randomRegisters(random: Random, exceptionLevel: 1 | 2, bits: Bits): AArch64Registers {
  const flag = (percent: number, position: number) => (chance(random, percent) ? 1n << BigInt(position) : 0n);
  const size = () => BigInt(16 + (random() % 20));
  const outputSize = BigInt(chance(random, 70) ? 5 : random() % 6);
  let tcr = size();
  if (exceptionLevel === 1) {
    tcr |= (size() << 16n) | (2n << 30n) | (outputSize << 32n) | flag(5, 7) | flag(5, 23);
    for (const position of bits.rare) tcr |= flag(5, position);
  } else {
    tcr |= (1n << 31n) | (1n << 23n) | (outputSize << 16n);
  }
  for (const position of bits[exceptionLevel]) tcr |= flag(30, position);
  const root = () => (BigInt(oneOf(random, TABLE_FRAMES)) << 12n) | flag(30, 50);
  return {
    architecture: 'aarch64',
    exceptionLevel,
    ttbr0: root(),
    ttbr1: exceptionLevel === 1 ? root() : 0n,
    tcr,
    mair: 0xff_bb_44_f4_0c_08_04_00n,
    sctlr: 0x30d0_198dn | flag(20, 19),
    hcrEl2: 0n,
  };
}

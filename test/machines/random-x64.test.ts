import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import type { X64Registers } from '../../src/registers.ts';
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
import { Control, NXE } from './x64-tables.ts';

/** P, W and U mostly; PS in a third; reserved, high address and key bits at times. */
const ODDS: BitOdds = {
  ...{ 0: 95, 1: 85, 2: 80, 3: 20, 4: 20, 5: 40, 6: 40, 7: 35, 8: 10, 12: 10 },
  ...{ 51: 1, 59: 30, 60: 30, 61: 30, 62: 30, 63: 10 },
};
const ACCESSES = 900;
const RUNS = 60;

describe.each([
  { provider: qemuX64, widths: [32, 36, 39, 40, 46, 48, 52] },
  { provider: unicornX64, widths: [40] },
])('on random tables under random registers the walker and $provider.name', ({ provider, widths }) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  test('say the same of every access', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = randomFrom(seed);
        const registers = randomRegisters(random, widths);
        const image = { registers, memory: randomTables(random, ODDS) };
        const { cr0, cr4, efer, physicalAddressBits } = registers;
        const name = `cr0 ${hex(cr0)}, cr4 ${hex(cr4)}, efer ${hex(efer)}, ${physicalAddressBits} bits`;
        compared += await compareWithWalker(machine, image, randomAccesses(random, registers), name);
      }),
      { numRuns: RUNS },
    );
    // Tables that lead out of memory answer nothing; most of the others must have.
    expect(compared).toBeGreaterThan((RUNS * ACCESSES) / 2);
  });
});

function randomAccesses(random: Random, { cr4 }: X64Registers): AccessList {
  const accesses = new AccessList(ACCESSES);
  const width = (cr4 & Control.LA57) !== 0n ? 56 : 47;
  const addresses = randomAddresses(
    random,
    () => chance(random, 50),
    () => width,
  );
  for (let index = 0; index < ACCESSES; index++) {
    const address = addresses.next().value;
    accesses.set(
      index,
      Number(address & 0xffff_ffffn),
      Number(address >> 32n),
      oneOf(random, [Access.Read, Access.Write, Access.Execute]),
      oneOf(random, [Privilege.Supervisor, Privilege.User]),
      (chance(random, 20) ? AccessFlag.AlignmentCheck : 0) |
        (chance(random, 30) ? AccessFlag.ProtectionKeys : 0),
      random(),
    );
  }
  return accesses;
}

/** WP, NXE, LA57, SMEP, SMAP, PKE; one of the widths of physical addresses. */
function randomRegisters(random: Random, widths: readonly number[]): X64Registers {
  const flag = (percent: number, bit: bigint) => (chance(random, percent) ? bit : 0n);
  return {
    architecture: 'x64',
    cr0: 0x8000_0031n | flag(70, Control.WP),
    cr3: BigInt(oneOf(random, TABLE_FRAMES)) << 12n,
    cr4:
      0x20n |
      flag(30, Control.LA57) |
      flag(40, Control.SMEP) |
      flag(40, Control.SMAP) |
      flag(40, Control.PKE),
    efer: 0x500n | flag(80, NXE),
    physicalAddressBits: oneOf(random, widths),
  };
}

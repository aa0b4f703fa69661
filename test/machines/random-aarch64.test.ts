import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errataOf, outcomeAt } from '../../harness/errata.ts';
import type { Machine } from '../../harness/machine.ts';
import { differs, FAULT_COLUMNS } from '../../harness/verdict.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { ACCESS_NAMES, Access, AccessList, PRIVILEGE_NAMES, Privilege } from '../../src/access-list.ts';
import { FRAME_SIZE, hex } from '../../src/addresses.ts';
import { isStructuralFault, Known, OutcomeList } from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
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

const ODDS: BitOdds = {
  ...{ 0: 94, 1: 80, 2: 50, 3: 50, 4: 50, 6: 60, 7: 35, 8: 50, 9: 50, 10: 85 },
  ...{ 51: 20, 53: 20, 54: 20, 59: 10, 60: 10, 61: 10, 62: 10, 63: 10 },
};
const ADDRESSES = 150;
const RUNS = 60;

describe('on random tables under random registers the walker and QEMU say the same', () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await qemuAArch64.open();
  });
  afterAll(() => machine.close());

  test.each([1, 2] as const)('of every access at EL%i', async (exceptionLevel) => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = randomFrom(seed);
        const registers = randomRegisters(random, exceptionLevel);
        compared += await compareOnce(machine, registers, random);
      }),
      { numRuns: RUNS },
    );
    // Tables that lead out of memory answer nothing; most of the others must have.
    expect(compared).toBeGreaterThan(RUNS * ADDRESSES);
  });
});

/** @returns how many accesses both had an answer for */
async function compareOnce(machine: Machine, registers: AArch64Registers, random: Random): Promise<number> {
  const memory = randomTables(random, ODDS);
  const accesses = randomAccesses(random, registers);
  const predicted = new OutcomeList(accesses.length);
  const walker = createWalker(memory, registers);
  walker.predict(accesses, predicted);
  await machine.load({ registers, memory });
  const expectedFrames = predicted.physicalAddress.map((at) => (at < 0 ? -1 : Math.floor(at / FRAME_SIZE)));
  const { outcomes } = await machine.probe({ accesses, expectedFrames });
  const errata = errataOf(machine.name, machine.capabilities.version);
  let compared = 0;
  for (let index = 0; index < accesses.length; index++) {
    const isKnown = ((outcomes.known[index] as number) & Known.Completion) !== 0;
    if (!isKnown || isStructuralFault(predicted.fault[index] as number)) continue;
    compared++;
    if (!differs(predicted, outcomes, index, FAULT_COLUMNS.aarch64)) continue;
    const probe = {
      address: accesses.address(index),
      access: accesses.access(index),
      privilege: accesses.privilege(index),
      flags: 0,
      pkru: 0,
      predicted: outcomeAt(predicted, index),
      observed: outcomeAt(outcomes, index),
      registers,
      explain: () => walker.explain(accesses.address(index)),
    };
    if (errata.some((erratum) => erratum.explains(probe))) continue;
    const name = `${PRIVILEGE_NAMES[probe.privilege]} ${ACCESS_NAMES[probe.access]} at ${hex(probe.address)}`;
    expect(probe.observed, `${name}, tcr ${hex(registers.tcr)}`).toEqual(probe.predicted);
  }
  return compared;
}

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

/** Sizes, granules, EPD, TBI, TBID, HPD, HA, HD, E0PD, IPS and WXN; positions in TCR_EL1 and TCR_EL2. */
function randomRegisters(random: Random, exceptionLevel: 1 | 2): AArch64Registers {
  const flag = (percent: number, position: number) => (chance(random, percent) ? 1n << BigInt(position) : 0n);
  const size = () => BigInt(16 + (random() % 20));
  const outputSize = BigInt(chance(random, 70) ? 5 : random() % 6);
  let tcr = size();
  if (exceptionLevel === 1) {
    tcr |= (size() << 16n) | (2n << 30n) | (outputSize << 32n) | flag(5, 7) | flag(5, 23);
    for (const position of [37, 38, 39, 40, 41, 42, 51, 52]) tcr |= flag(30, position);
    tcr |= flag(5, 55) | flag(5, 56);
  } else {
    tcr |= (1n << 31n) | (1n << 23n) | (outputSize << 16n);
    for (const position of [20, 21, 22, 24, 29]) tcr |= flag(30, position);
  }
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

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, MachineError } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { stageTwoTables } from '../walker/aarch64-random.ts';
import {
  type BitOdds,
  chance,
  oneOf,
  type Random,
  randomAddresses,
  randomFrom,
  randomTables,
  seeds,
  type TableShape,
  tableShape,
} from '../walker/random-tables.ts';
import { HCR_DC, HCR_PTW, HCR_VM } from './aarch64-stage-two-tables.ts';
import { Hcr } from './aarch64-tables.ts';
import { compareWithWalker } from './walker-comparison.ts';

const ODDS: BitOdds = {
  ...{ 0: 94, 1: 80, 2: 50, 3: 50, 4: 50, 6: 60, 7: 35, 8: 50, 9: 50, 10: 85 },
  ...{ 51: 20, 53: 20, 54: 20, 59: 10, 60: 10, 61: 10, 62: 10, 63: 10 },
};
const ACCESSES = [Access.Read, Access.Write, Access.Execute] as const;
const ADDRESSES = 150;
const RUNS = { 48: 60, 52: 30 } as const;

/** Bits of TCR that a machine has: TBI, HPD, and of QEMU HA, HD and E0PD; by regimes with two halves and one. */
const QEMU_BITS = { two: [37, 38, 39, 40, 41, 42], rare: [55, 56], one: [20, 21, 22, 24] } as const;
const UNICORN_BITS = { two: [37, 38, 41, 42], rare: [], one: [20, 24] } as const;
type Bits = typeof QEMU_BITS | typeof UNICORN_BITS;

interface Regime {
  readonly name: string;
  readonly exceptionLevel: 1 | 2 | 3;
  readonly hcrEl2: bigint;
}
const EL1_AND_0: Regime = { name: 'EL1&0', exceptionLevel: 1, hcrEl2: 0n };
const EL2: Regime = { name: 'EL2', exceptionLevel: 2, hcrEl2: 0n };
const EL3: Regime = { name: 'EL3', exceptionLevel: 3, hcrEl2: 0n };
const EL2_AND_0: Regime = { name: 'EL2&0', exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE };

/** log2 of the size of a page. */
type PageShift = 12 | 14 | 16;
const TG0 = { 12: 0n, 14: 2n, 16: 1n } as const;
const TG1 = { 12: 2n, 14: 1n, 16: 3n } as const;

/** Physical addresses of up to 48 bits; or of 52, with FEAT_LPA2 or (64 KiB) FEAT_LPA and FEAT_LVA. */
const WIDTHS = [48, 52] as const;
type Width = (typeof WIDTHS)[number];

const QEMU_CASES = [EL1_AND_0, EL2, EL3, EL2_AND_0].flatMap((regime) =>
  ([12, 14, 16] as const).flatMap((pageShift) =>
    WIDTHS.map((width) => [regime.name, pageShift, width, regime] as const),
  ),
);

describe.each([
  { provider: qemuAArch64, bits: QEMU_BITS, cases: QEMU_CASES },
  {
    provider: unicornAArch64,
    bits: UNICORN_BITS,
    cases: QEMU_CASES.filter(([, , width, regime]) => width === 48 && regime !== EL2_AND_0),
  },
])('on random tables under random registers the walker and $provider.name', ({ provider, bits, cases }) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  test.each(cases)(
    'say the same of every access in %s with pages of 2^%i bytes and addresses of %i bits',
    async (_, pageShift, width, regime) => {
      let compared = 0;
      await fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          const random = randomFrom(seed);
          const shape = tableShape(pageShift);
          const registers = randomRegisters(random, regime, shape, bits, width);
          const image = { registers, memory: randomTables(random, oddsOf(width, pageShift), shape) };
          const accesses = randomAccesses(random, registers, shape);
          const name = `tcr ${hex(registers.tcr)}`;
          compared += await comparedUnlessUnfit(machine, image, accesses, name, BLOCK_AT_LEVEL_MINUS_1);
        }),
        { numRuns: RUNS[width] },
      );
      // Tables that lead out of memory answer nothing; most of the others must have.
      expect(compared).toBeGreaterThan(RUNS[width] * ADDRESSES);
    },
  );
});

/**
 * Clears the address bits below 2^42 of every block descriptor. Unicorn or-s those below the size of a block into the
 * address, which its erratum follows through one stage and not through two.
 */
function clearLowBitsOfBlocks(memory: PhysicalMemory): void {
  for (const { words } of memory.ranges) {
    for (let at = 0; at < words.length; at += 2) {
      if (((words[at] as number) & 3) !== 1) continue;
      words[at] = (words[at] as number) & 0xfff;
      words[at + 1] = (words[at + 1] as number) & ~0x3ff;
    }
  }
}

/** VTCR_EL2.HA and HD, which Unicorn does not have. */
const VTCR_HA_HD = (1n << 21n) | (1n << 22n);

/** Stage 2 is put below tables of stage 1, or alone, by the same random tables as the walker's own tests. */
describe.each([
  { provider: qemuAArch64, bits: QEMU_BITS, widths: WIDTHS },
  { provider: unicornAArch64, bits: UNICORN_BITS, widths: [48] as const },
])('on random tables of stage 2 the walker and $provider.name', ({ provider, bits, widths }) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  test.each(
    (['nested', 'stage 2'] as const).flatMap((regime) =>
      ([12, 14, 16] as const).flatMap((pageShift) =>
        widths.map((width) => [regime, pageShift, width] as const),
      ),
    ),
  )(
    'say the same of every access, %s with pages of 2^%i bytes and addresses of %i bits',
    async (regime, pageShift, width) => {
      let compared = 0;
      await fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          const random = randomFrom(seed);
          const shape = tableShape(pageShift);
          const memory = randomTables(random, oddsOf(width, pageShift), shape);
          if (provider === unicornAArch64) clearLowBitsOfBlocks(memory);
          const one = randomRegisters(random, EL1_AND_0, shape, bits, width);
          const ds = isLarge(width, pageShift);
          const { vtcr = 0n, ...others } = stageTwoTables(random, memory, one, { pageShift, ds });
          const two = { ...others, vtcr: bits === QEMU_BITS ? vtcr : vtcr & ~VTCR_HA_HD };
          const isAlone = regime === 'stage 2';
          const registers = {
            ...one,
            ...two,
            sctlr: isAlone ? one.sctlr & ~1n : one.sctlr,
            hcrEl2: isAlone && chance(random, 50) ? HCR_DC : HCR_VM | (chance(random, 20) ? HCR_PTW : 0n),
          };
          const accesses = randomAccesses(random, isAlone ? { ...registers, tcr: 28n } : registers, shape);
          const name = `tcr ${hex(registers.tcr)} vtcr ${hex(two.vtcr)} hcr ${hex(registers.hcrEl2)}`;
          // Roots that are full, or that no walk begins at, are refused.
          compared += await comparedUnlessUnfit(machine, { registers, memory }, accesses, name);
        }),
        { numRuns: RUNS[width], endOnFailure: true },
      );
      expect(compared).toBeGreaterThan((RUNS[width] * ADDRESSES) / 2);
    },
  );
});

/** Whether descriptors are those of FEAT_LPA2. */
function isLarge(width: Width, pageShift: number): boolean {
  return width === 52 && pageShift !== 16;
}

/** With FEAT_LPA2 bits 9:8 belong to the address. */
function oddsOf(width: Width, pageShift: number): BitOdds {
  return isLarge(width, pageShift) ? { ...ODDS, 8: 4, 9: 4 } : ODDS;
}

const BLOCK_AT_LEVEL_MINUS_1 = /is a block at level −1/;

/** As {@link compareWithWalker}; 0 for an image that the machine refuses, with the given message if there is one. */
async function comparedUnlessUnfit(
  ...[machine, image, accesses, name, message]: [...Parameters<typeof compareWithWalker>, RegExp?]
): Promise<number> {
  try {
    return await compareWithWalker(machine, image, accesses, name);
  } catch (error) {
    if (!(error instanceof MachineError && error.code === 'unfit')) throw error;
    if (message !== undefined) expect(error.message).toMatch(message);
    return 0;
  }
}

function randomAccesses(random: Random, registers: AArch64Registers, shape: TableShape): AccessList {
  const hasUser = regimeHasUser(registers);
  const privileges = hasUser ? [Privilege.Supervisor, Privilege.User] : [Privilege.Supervisor];
  const perAddress = 3 * privileges.length;
  const accesses = new AccessList(ADDRESSES * perAddress);
  const bits = (upper: boolean) => 64 - Number((registers.tcr >> (upper ? 16n : 0n)) & 0x3fn);
  const addresses = randomAddresses(
    random,
    () => hasUser && chance(random, 50),
    bits,
    () => shape,
  );
  let index = 0;
  while (index < accesses.length) {
    const address = addresses.next().value;
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    for (const privilege of privileges) {
      // Each access comes first at times: a write makes a page dirty, and what a TLB holds was asked for by one of them.
      const first = random() % ACCESSES.length;
      for (let turn = 0; turn < ACCESSES.length; turn++) {
        accesses.set(index++, low, high, ACCESSES[(first + turn) % ACCESSES.length] as Access, privilege);
      }
    }
  }
  return accesses;
}

/**
 * Sizes, EPD, TBI, HPD, HA, HD, E0PD, IPS and WXN. Not TBID: after a data access to a tagged address QEMU also
 * fetches from it, because both use one TLB entry (see the machine's limits).
 */
function randomRegisters(
  random: Random,
  { exceptionLevel, hcrEl2 }: Regime,
  { pageShift, tableFrames }: TableShape,
  bits: Bits,
  width: Width,
): AArch64Registers {
  const flag = (percent: number, position: number) => (chance(random, percent) ? 1n << BigInt(position) : 0n);
  // An address space that begins at level 3 has no room for the stub.
  const least = width === 52 ? 12 : 16;
  const size = () => BigInt(least + (random() % (pageShift === 16 ? 18 : 20)));
  const widest = width === 52 ? 6 : 5;
  const outputSize = BigInt(chance(random, 70) ? widest : random() % (widest + 1));
  const hasHalves = exceptionLevel === 1 || hcrEl2 !== 0n;
  let tcr = size() | (TG0[pageShift as PageShift] << 14n);
  if (hasHalves) {
    tcr |=
      (size() << 16n) | (TG1[pageShift as PageShift] << 30n) | (outputSize << 32n) | flag(5, 7) | flag(5, 23);
    for (const position of bits.rare) tcr |= flag(5, position);
  } else {
    tcr |= (1n << 31n) | (1n << 23n) | (outputSize << 16n);
  }
  for (const position of hasHalves ? bits.two : bits.one) tcr |= flag(30, position);
  if (isLarge(width, pageShift)) tcr |= 1n << (hasHalves ? 59n : 32n);
  for (const position of hasHalves ? [12, 13, 28, 29] : [12, 13]) tcr |= flag(50, position);
  const root = () => (BigInt(oneOf(random, tableFrames)) << 12n) | flag(30, 50);
  return {
    architecture: 'aarch64',
    exceptionLevel,
    ttbr0: root(),
    ttbr1: hasHalves ? root() : 0n,
    tcr,
    mair: 0xff_bb_44_f4_0c_08_04_00n,
    sctlr: 0x30d0_198dn | flag(20, 19),
    hcrEl2,
    ...(width === 52 && { cpu: 'max' }),
  };
}

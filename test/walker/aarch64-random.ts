import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { type BitOdds, chance, oneOf, type Random, type TableShape } from './random-tables.ts';
import { TableBuilder } from './table-builder.ts';

export type RegimeName = 'el1' | 'el2' | 'el3' | 'el2&0' | 'nested' | 'stage 2';

const PLAIN_ODDS: BitOdds = {
  0: 94,
  1: 80,
  2: 50,
  3: 50,
  4: 50,
  6: 60,
  7: 35,
  8: 50,
  9: 50,
  10: 85,
  51: 20,
  53: 20,
  54: 20,
  59: 10,
  60: 10,
  61: 10,
  62: 10,
  63: 10,
};
/** Bits of descriptors; with DS = 1 bits 9:8 and 49:48 belong to the address. */
export const ODDS = { plain: PLAIN_ODDS, large: { ...PLAIN_ODDS, 8: 4, 9: 4 } } as const;

export interface TableChoice {
  readonly pageShift: number;
  readonly ds: boolean;
}

const flagOf = (random: Random) => (percent: number, position: number) =>
  chance(random, percent) ? 1n << BigInt(position) : 0n;

/** Registers of a regime whose tables have random roots among those of `shape`. */
export function randomRegisters(
  random: Random,
  regime: RegimeName,
  { pageShift, ds, shape }: TableChoice & { shape: TableShape },
): AArch64Registers {
  const flag = flagOf(random);
  const twoHalves = regime !== 'el2' && regime !== 'el3';
  const least = ds || pageShift === 16 ? 12 : 16;
  const size = () => BigInt(chance(random, 85) ? least + (random() % (40 - least)) : random() % 64);
  const outputSize = BigInt(chance(random, 70) ? oneOf(random, [5, 6]) : random() % 8);
  const tg0 = BigInt({ 12: 0, 14: 2, 16: 1 }[pageShift] ?? 0);
  const tg1 = BigInt({ 12: 2, 14: 1, 16: 3 }[pageShift] ?? 0);
  let tcr = size() | (tg0 << 14n) | (BigInt(random() & 3) << 12n);
  if (twoHalves) {
    tcr |= (size() << 16n) | (tg1 << 30n) | (BigInt(random() & 3) << 28n) | (outputSize << 32n);
    tcr |= flag(5, 7) | flag(5, 23) | flag(5, 55) | flag(5, 56);
    for (const position of [37, 38, 39, 40, 41, 42, 51, 52]) tcr |= flag(30, position);
    if (ds) tcr |= 1n << 59n;
  } else {
    tcr |= outputSize << 16n;
    for (const position of [20, 21, 22, 24, 29]) tcr |= flag(30, position);
    if (ds) tcr |= 1n << 32n;
  }
  const root = () =>
    (BigInt(oneOf(random, shape.tableFrames)) << 12n) |
    flag(3, 45) |
    BigInt(random() & (chance(random, 80) ? 0xfc3 : 0xfff)) |
    flag(30, 50);
  const old = !ds && chance(random, 30);
  const oldCpu =
    pageShift === 14 || regime === 'el2&0' ? 'neoverse-n1' : oneOf(random, ['cortex-a72', 'neoverse-n1']);
  const stageTwo = regime === 'nested' || regime === 'stage 2';
  return {
    architecture: 'aarch64',
    exceptionLevel: regime === 'el3' ? 3 : regime === 'el2' || regime === 'el2&0' ? 2 : 1,
    ttbr0: root(),
    ttbr1: root(),
    tcr,
    mair: 0xff_bb_44_f0_4f_0c_04_00n,
    sctlr: (regime === 'stage 2' && chance(random, 70) ? 0n : 1n) | flag(30, 19) | flag(50, 12),
    hcrEl2:
      (regime === 'el2&0' ? (1n << 34n) | (1n << 27n) : 0n) |
      (stageTwo ? 1n | flag(20, 2) : 0n) |
      (regime === 'stage 2' ? flag(40, 12) : 0n),
    ...(old ? { cpu: oldCpu } : chance(random, 50) ? { cpu: 'max' } : {}),
    ...(chance(random, 30) ? { physicalAddressBits: oneOf(random, [36, 40, 44, 52]) } : {}),
  };
}

/** Where tables of stage 2 lie: nowhere near those of stage 1. */
const STAGE_TWO_BASE = 0x4_0000_0000n;
const STAGE_TWO_FRAMES = 64;

/**
 * Stage 2 tables that map what `memory` holds onto itself, mostly: some descriptors are wrong, and pages have
 * random rights and types.
 */
export function stageTwoTables(
  random: Random,
  memory: PhysicalMemory,
  registers: AArch64Registers,
  { pageShift, ds }: TableChoice,
): Pick<AArch64Registers, 'vtcr' | 'vttbr' | 'cpu'> {
  const flag = flagOf(random);
  const ranges = memory.ranges.map(({ firstFrame, frameCount }) => ({ firstFrame, frameCount }));
  const root = STAGE_TWO_BASE;
  const pageBytes = 1n << BigInt(pageShift);
  memory.addRange(root, new ArrayBuffer((1 << 20) + STAGE_TWO_FRAMES * Number(pageBytes)));
  const startLevel = chance(random, 50) ? 1 : 2;
  const resolvedBelow = pageShift + (3 - startLevel) * (pageShift - 3);
  const inputBits = Math.min(
    Math.max(resolvedBelow + 1 + (random() % 8), 33),
    resolvedBelow + pageShift + 1,
    44,
  );
  const builder = new TableBuilder(memory, {
    pageShift,
    startLevel,
    root,
    inputBits,
    pool: root + (1n << 20n),
    table: (address) => address | 3n,
  });
  const bits = () =>
    (BigInt(random() & 15) << 2n) |
    flag(96, 0) |
    flag(94, 6) |
    flag(70, 7) |
    (ds ? flag(1, 8) | flag(1, 9) : flag(50, 8) | flag(50, 9)) |
    flag(94, 10) |
    flag(20, 51) |
    flag(20, 53) |
    flag(15, 54);
  const pages = new Set(
    ranges.flatMap(({ firstFrame, frameCount }) =>
      Array.from({ length: frameCount }, (_, i) => (BigInt(firstFrame + i) << 12n) & -pageBytes),
    ),
  );
  const hasBlock = chance(random, 40) && startLevel <= 2;
  for (const page of pages) {
    const size = hasBlock && page < 1n << 24n ? BigInt(2 * pageShift - 3) : BigInt(pageShift);
    const level = size === BigInt(pageShift) ? 3 : 2;
    const target = chance(random, 97) ? page & -(1n << size) : 1n << BigInt(36 + (random() % 12));
    builder.set(page, level, target | bits() | (level === 3 ? flag(97, 1) : 0n));
  }
  if (chance(random, 10)) builder.set([...pages].at(-1) ?? 0n, 2, (STAGE_TWO_BASE << 2n) | 3n);
  const sl0 = pageShift === 12 ? 2 - startLevel : 3 - startLevel;
  const tg0 = BigInt({ 12: 0, 14: 2, 16: 1 }[pageShift] ?? 0);
  const isOdd = chance(random, 5);
  const vtcr =
    BigInt(isOdd ? random() & 63 : 64 - inputBits) |
    (BigInt(isOdd ? random() & 3 : sl0) << 6n) |
    (BigInt(random() & 3) << 12n) |
    (tg0 << 14n) |
    (BigInt(chance(random, 80) ? 5 : random() % 8) << 16n) |
    flag(30, 21) |
    flag(30, 22) |
    (ds ? 1n << 32n : 0n) |
    flag(5, 33);
  const lacks16K = pageShift === 14 && registers.cpu === 'cortex-a72';
  return { vtcr, vttbr: root | flag(3, 40) | flag(40, 50), ...(lacks16K ? { cpu: 'neoverse-n1' } : {}) };
}

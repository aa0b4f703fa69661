import fc from 'fast-check';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** What random tables of a granule look like. */
export interface TableShape {
  /** log2 of the size of a page and of a table. */
  readonly pageShift: number;
  /** log2 of the entries in a table. */
  readonly indexBits: number;
  /** 4 KiB frames that tables lie in; two separate ranges, so that pointers leave and enter memory. */
  readonly tableFrames: readonly number[];
  /** Indices that tables use and random addresses walk through. */
  readonly usedIndices: readonly number[];
}

const TABLES_PER_RANGE = 5;

export function tableShape(pageShift: number): TableShape {
  const indexBits = pageShift - 3;
  const frames = 2 ** (pageShift - 12);
  const highFrame = 0x1_2345 & -frames;
  const half = 2 ** (indexBits - 1);
  return {
    pageShift,
    indexBits,
    tableFrames: [0, 1, 2, 3, 4].flatMap((i) => [0x10 + i * frames, highFrame + i * frames]),
    usedIndices: [0, 1, half - 1, half, 2 * half - 2, 2 * half - 1],
  };
}

/** Tables of 512 entries. */
export const SHAPE_4K = tableShape(12);
export const TABLE_FRAMES = SHAPE_4K.tableFrames;
export const USED_INDICES = SHAPE_4K.usedIndices;

/** How likely (in percent) each bit of an entry is set; bits that are not named are set in 2 %. */
export type BitOdds = Readonly<Record<number, number>>;

/** A deterministic stream of numbers below 2^32. */
export type Random = () => number;

export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
}

export function chance(random: Random, percent: number): boolean {
  return random() % 100 < percent;
}

export function oneOf<T>(random: Random, values: readonly T[]): T {
  return values[random() % values.length] as T;
}

/** Memory full of tables that lead to each other, to themselves, and sometimes into nowhere. */
export function randomTables(random: Random, odds: BitOdds, shape = SHAPE_4K): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (const frame of shape.tableFrames.slice(0, 2)) {
    memory.addRange(frame * 4096, new ArrayBuffer(TABLES_PER_RANGE * 2 ** shape.pageShift));
  }
  for (const frame of shape.tableFrames) {
    for (const index of shape.usedIndices) {
      memory.writeEntry(frame * 4096 + index * 8, randomEntry(random, odds, shape));
    }
  }
  return memory;
}

function randomEntry(random: Random, odds: BitOdds, { tableFrames }: TableShape): bigint {
  const pointsToTable = chance(random, 75);
  let entry = pointsToTable ? BigInt(oneOf(random, tableFrames)) << 12n : 0n;
  for (let position = 0; position < 64; position++) {
    const inAddress = position >= 12 && position < 48;
    const percent = odds[position] ?? (inAddress ? (pointsToTable ? 0 : 20) : 2);
    if (chance(random, percent)) entry |= 1n << BigInt(position);
  }
  return entry;
}

/** An address through the used indices, sometimes one that no table should be asked for. */
function randomAddress(
  random: Random,
  upperHalf: boolean,
  implementedBits: number,
  { pageShift, indexBits, usedIndices }: TableShape,
): bigint {
  let address = BigInt(random() % 2 ** pageShift);
  for (let shift = pageShift; shift < 57; shift += indexBits) {
    address |= BigInt(oneOf(random, usedIndices)) << BigInt(shift);
  }
  const width = BigInt(implementedBits);
  address &= (1n << width) - 1n;
  if (upperHalf) address |= (1n << 64n) - (1n << width);
  if (chance(random, 5)) address ^= 1n << BigInt(random() % 64);
  return address;
}

/**
 * As {@link randomAddress}, but often beside the address before: under the same page table, or in the same
 * page, where a walk may reuse what it knows.
 */
export function* randomAddresses(
  random: Random,
  upperHalf: () => boolean,
  implementedBits: (upper: boolean) => number,
  shapeOf: (upper: boolean) => TableShape = () => SHAPE_4K,
): Generator<bigint, never> {
  let address = 0n;
  let shape = SHAPE_4K;
  for (;;) {
    const pageMask = (1n << BigInt(shape.pageShift)) - 1n;
    if (chance(random, 40)) {
      const upper = upperHalf();
      shape = shapeOf(upper);
      address = randomAddress(random, upper, implementedBits(upper), shape);
    } else {
      if (chance(random, 70)) {
        const indexMask = ((1n << BigInt(shape.indexBits)) - 1n) << BigInt(shape.pageShift);
        address =
          (address & ~indexMask) | (BigInt(oneOf(random, shape.usedIndices)) << BigInt(shape.pageShift));
      }
      address = (address & ~pageMask) | BigInt(random() % 2 ** shape.pageShift);
    }
    yield address;
  }
}

/** Seeds; a failure prints the seed that replays it. */
export const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

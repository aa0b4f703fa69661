import fc from 'fast-check';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** Frames that random tables lie in; two separate ranges, so that pointers leave and enter memory. */
const LOW_FRAME = 0x10;
const HIGH_FRAME = 0x1_2345;
export const TABLE_FRAMES = [0, 1, 2, 3, 4].flatMap((i) => [LOW_FRAME + i, HIGH_FRAME + i]);

/** Indices that random tables use and random addresses walk through. */
export const USED_INDICES = [0, 1, 0xff, 0x100, 0x1fe, 0x1ff] as const;

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
export function randomTables(random: Random, odds: BitOdds): PhysicalMemory {
  const memory = new PhysicalMemory();
  memory.addRange(LOW_FRAME * 4096, new ArrayBuffer(5 * 4096));
  memory.addRange(HIGH_FRAME * 4096, new ArrayBuffer(5 * 4096));
  for (const frame of TABLE_FRAMES) {
    for (const index of USED_INDICES) {
      memory.writeEntry(frame * 4096 + index * 8, randomEntry(random, odds));
    }
  }
  return memory;
}

function randomEntry(random: Random, odds: BitOdds): bigint {
  const pointsToTable = chance(random, 75);
  let entry = pointsToTable ? BigInt(oneOf(random, TABLE_FRAMES)) << 12n : 0n;
  for (let position = 0; position < 64; position++) {
    const inAddress = position >= 12 && position < 48;
    const percent = odds[position] ?? (inAddress ? (pointsToTable ? 0 : 20) : 2);
    if (chance(random, percent)) entry |= 1n << BigInt(position);
  }
  return entry;
}

/** An address through the used indices, sometimes one that no table should be asked for. */
function randomAddress(random: Random, upperHalf: boolean, implementedBits: number): bigint {
  let address = BigInt(random() & 0xfff);
  for (let level = 0; level < 5; level++) {
    address |= BigInt(oneOf(random, USED_INDICES)) << BigInt(12 + 9 * level);
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
): Generator<bigint, never> {
  let address = 0n;
  for (;;) {
    if (chance(random, 40)) {
      const upper = upperHalf();
      address = randomAddress(random, upper, implementedBits(upper));
    } else {
      if (chance(random, 70))
        address = (address & ~0x1f_f000n) | (BigInt(oneOf(random, USED_INDICES)) << 12n);
      address = (address & ~0xfffn) | BigInt(random() & 0xfff);
    }
    yield address;
  }
}

/** Seeds; a failure prints the seed that replays it. */
export const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

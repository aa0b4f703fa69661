import { KNOWN_ALL, Known } from '../outcome-list.ts';
import { Shareability } from './descriptor-bits.ts';
import {
  effectiveShareability,
  isDevice,
  MEMORY_TYPE_INDICES,
  type MemoryTypeTable,
  RESERVED_SHAREABILITY,
  SHAREABILITY_COLUMN_SHIFT,
} from './walk-memory-type.ts';

/** A nibble of a MAIR byte of Normal memory: the policy in bits 3:2, allocation hints in bits 1:0. */
const NON_CACHEABLE = 0b0100;
const WRITE_THROUGH_TRANSIENT = 0b00;
const WRITE_BACK_TRANSIENT = 0b01;
const WRITE_THROUGH = 0b10;
const WRITE_BACK = 0b11;
const ALL_HINTS = 0b11;
const TAGGED = 0xf0;
const TAGGED_CACHEABILITY = 0xff;
const NOT_KNOWN = 0;
const NO_TYPE = KNOWN_ALL & ~(Known.MemoryType | Known.Shareability);

/**
 * MemAttr[3:0] and SH of stage 2 without HCR_EL2.FWB (Arm ARM D8.6), as MAIR bytes. Stage 2 gives no allocation
 * hints: all are set, and stage 1 has its way.
 */
export function stageTwoMemoryTypes(): MemoryTypeTable {
  const types = new Uint16Array(MEMORY_TYPE_INDICES);
  const known = new Uint8Array(MEMORY_TYPE_INDICES).fill(KNOWN_ALL);
  for (let index = 0; index < MEMORY_TYPE_INDICES; index++) {
    const outer = (index >>> 2) & 3;
    const inner = index & 3;
    const isReserved = outer !== 0 && inner === 0;
    const attribute = outer === 0 ? inner << 2 : (stageTwoNibble(outer) << 4) | stageTwoNibble(inner);
    types[index] = attribute | ((index >>> 4) << SHAREABILITY_COLUMN_SHIFT);
    if (isReserved) known[index] = NO_TYPE;
  }
  return { types, known };
}

/** 1: non-cacheable, 2: write-through, 3: write-back. */
function stageTwoNibble(policy: number): number {
  return policy === 1 ? NON_CACHEABLE : (policy << 2) | ALL_HINTS;
}

/** What both stages together make of a location; index: stage 1's, times {@link MEMORY_TYPE_INDICES}, plus stage 2's. */
export function combinedMemoryTypes(one: MemoryTypeTable, two: MemoryTypeTable): MemoryTypeTable {
  const types = new Uint16Array(one.types.length * MEMORY_TYPE_INDICES);
  const known = new Uint8Array(types.length);
  for (let first = 0; first < one.types.length; first++) {
    for (let second = 0; second < MEMORY_TYPE_INDICES; second++) {
      const index = first * MEMORY_TYPE_INDICES + second;
      const type = combinedType(one.types[first] as number, two.types[second] as number);
      const bothKnown = (one.known[first] as number) & (two.known[second] as number);
      types[index] = type ?? NOT_KNOWN;
      if (type === undefined || (bothKnown & Known.MemoryType) === 0) known[index] = NO_TYPE;
      else if (type >>> SHAREABILITY_COLUMN_SHIFT === RESERVED_SHAREABILITY)
        known[index] = KNOWN_ALL & ~Known.Shareability;
      else known[index] = KNOWN_ALL;
    }
  }
  return { types, known };
}

/** Arm ARM D8.6.5; undefined where stage 1's attribute is reserved. */
function combinedType(one: number, two: number): number | undefined {
  const attribute = combinedAttribute(one & 0xff, two & 0xff);
  if (attribute === undefined) return undefined;
  const shareability = combinedShareability(
    one >>> SHAREABILITY_COLUMN_SHIFT,
    two >>> SHAREABILITY_COLUMN_SHIFT,
  );
  return attribute | (effectiveShareability(attribute, shareability) << SHAREABILITY_COLUMN_SHIFT);
}

/** Device wins over Normal, and of two device types the stricter one: the smaller number. */
function combinedAttribute(one: number, two: number): number | undefined {
  if (isDevice(one) && (one & 0b11) !== 0) return undefined;
  if (isDevice(one)) return isDevice(two) ? Math.min(one, two) : one;
  const cacheability = one === TAGGED ? TAGGED_CACHEABILITY : one;
  if ((cacheability & 0xf) === 0) return undefined;
  if (isDevice(two)) return two;
  const combined =
    (combinedNibble(cacheability >>> 4, two >>> 4) << 4) | combinedNibble(cacheability & 0xf, two & 0xf);
  return one === TAGGED && combined === TAGGED_CACHEABILITY ? TAGGED : combined;
}

/** Non-cacheable wins over write-through, that over write-back; hints and transience are stage 1's. */
function combinedNibble(one: number, two: number): number {
  if (one === NON_CACHEABLE || two === NON_CACHEABLE) return NON_CACHEABLE;
  const policy = one >>> 2;
  const isWriteThrough = two >>> 2 === WRITE_THROUGH;
  if (policy === WRITE_BACK && isWriteThrough) return (WRITE_THROUGH << 2) | (one & ALL_HINTS);
  if (policy === WRITE_BACK_TRANSIENT && isWriteThrough)
    return (WRITE_THROUGH_TRANSIENT << 2) | (one & ALL_HINTS);
  return one;
}

/** Outer wins over inner, inner over none; a reserved value leaves all open but outer. */
function combinedShareability(one: number, two: number): number {
  for (const winner of [Shareability.Outer, RESERVED_SHAREABILITY, Shareability.Inner]) {
    if (one === winner || two === winner) return winner;
  }
  return Shareability.Non;
}

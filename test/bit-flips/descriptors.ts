import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';

/** A descriptor on the way to an address, found by nothing but the positions of the index bits in the address. */
export interface Descriptor {
  readonly entryAddress: bigint;
  readonly value: bigint;
  /** The stage of translation; x64 has one. */
  readonly stage: 1 | 2;
  /** log2 of the bytes that the descriptor translates: with pages of 4 KiB 39, 30, 21, 12. */
  readonly shift: number;
  readonly isLeaf: boolean;
  /** First address that it translates. */
  readonly first: bigint;
}

/** How a walk cuts addresses. */
export interface TableShape {
  readonly stage: 1 | 2;
  readonly root: bigint;
  /** log2 of the size of a page and of a table. */
  readonly pageShift: number;
  /** Width of the addresses that are translated. */
  readonly inputBits: number;
  /** Tables on the longest way; where absent, as many as the width needs. Fewer stand for concatenated roots. */
  readonly levels?: number;
  readonly isLeaf: IsLeaf;
}

/** Whether a descriptor maps a page or block. */
type IsLeaf = (value: bigint, shift: number, pageShift: number) => boolean;

/** Intel SDM Vol. 3A tables 4-15 to 4-20: PS, or the last level. */
export const isX64Leaf: IsLeaf = (value, shift) => shift === 12 || (value & 0x80n) !== 0n;
/** Arm ARM D8.3: bits 1:0 = 0b01, or the last level. */
export const isAArch64Leaf: IsLeaf = (value, shift, pageShift) => shift === pageShift || (value & 2n) === 0n;

const ADDRESS_FIELD = 0xf_ffff_ffff_f000n;

/** The descriptors from the root to the leaf of an address. */
export function wayTo(memory: PhysicalMemory, shape: TableShape, address: bigint): Descriptor[] {
  const { stage, root, pageShift, inputBits, isLeaf } = shape;
  const indexBits = pageShift - 3;
  const levels = shape.levels ?? Math.ceil((inputBits - pageShift) / indexBits);
  const way: Descriptor[] = [];
  let table = root;
  let rest = address & lowBits(inputBits);
  for (let below = levels - 1; below >= 0; below--) {
    const shift = pageShift + below * indexBits;
    const entryAddress = table + (rest >> BigInt(shift)) * 8n;
    const value = memory.readEntry(entryAddress) ?? 0n;
    const first = address & ~lowBits(shift);
    way.push({ entryAddress, value, stage, shift, isLeaf: isLeaf(value, shift, pageShift), first });
    if (way.at(-1)?.isLeaf) break;
    table = value & ADDRESS_FIELD & ~lowBits(pageShift);
    rest &= lowBits(shift);
  }
  return way;
}

/** Where a way leads an address. */
export function outputOf(way: readonly Descriptor[], address: bigint): bigint {
  const leaf = way.at(-1);
  if (leaf === undefined || !leaf.isLeaf) throw new RangeError('the way has no leaf');
  const offset = lowBits(leaf.shift);
  return (leaf.value & ADDRESS_FIELD & 0xffff_ffff_ffffn & ~offset) | (address & offset);
}

function lowBits(count: number): bigint {
  return (1n << BigInt(count)) - 1n;
}

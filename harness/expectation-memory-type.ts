import { CACHE_ATTRIBUTES, type MemoryAttributeBits, MemoryAttributes } from '../src/memory-attributes.ts';
import type { Architecture } from '../src/registers.ts';
import type { PageStatement } from './expectation.ts';
import { mairByte } from './inputs/layout/aarch64-region.ts';
import { x64MemoryTypeNumber } from './inputs/layout/x64-region.ts';

/** PAT memory types (SDM Vol. 3A table 11-10). */
const Pat = {
  Uncacheable: 0,
  WriteCombining: 1,
  WriteThrough: 4,
  WriteProtected: 5,
  WriteBack: 6,
  UncachedMinus: 7,
} as const;

/**
 * On x64 the tables have only half a say: the effective type combines the PAT's with the MTRR's (SDM Vol. 3A
 * table 11-7), and write-back in the tables leaves the decision to the MTRRs. That fulfils every declaration.
 */
const X64_TYPES: ReadonlyMap<MemoryAttributeBits, readonly number[]> = new Map([
  [MemoryAttributes.Uncached, [Pat.Uncacheable, Pat.UncachedMinus, Pat.WriteBack]],
  [MemoryAttributes.UncachedExport, [Pat.Uncacheable, Pat.UncachedMinus, Pat.WriteBack]],
  [MemoryAttributes.WriteCombining, [Pat.WriteCombining, Pat.WriteBack]],
  [MemoryAttributes.WriteThrough, [Pat.WriteThrough, Pat.WriteBack]],
  [MemoryAttributes.Writeback, [Pat.WriteBack]],
  [MemoryAttributes.WriteProtect, [Pat.WriteProtected, Pat.WriteBack]],
]);

/** AArch64: by the MAIR byte (Arm ARM D19.2.99, Attr<n>): outer attributes in bits 7:4, inner in bits 3:0. */
const AARCH64_TYPES: ReadonlyMap<MemoryAttributeBits, (mair: number) => boolean> = new Map([
  // Device memory of any kind: 0b0000dd00.
  [MemoryAttributes.Uncached, (mair: number) => (mair & 0xf3) === 0],
  [MemoryAttributes.WriteCombining, (mair: number) => mair === 0x44],
  [MemoryAttributes.WriteThrough, (mair: number) => isWriteThrough(mair >> 4) && isWriteThrough(mair & 15)],
  [MemoryAttributes.Writeback, (mair: number) => isWriteBack(mair >> 4) && isWriteBack(mair & 15)],
]);

/** 0b10RW non-transient, or 0b00RW transient with RW not 00. */
function isWriteThrough(nibble: number): boolean {
  return nibble >> 2 === 0b10 || (nibble >> 2 === 0b00 && nibble !== 0);
}

/** 0b11RW non-transient, or 0b01RW transient with RW not 00 (0b0100 is non-cacheable). */
function isWriteBack(nibble: number): boolean {
  return nibble >> 2 === 0b11 || (nibble >> 2 === 0b01 && nibble !== 0b0100);
}

/**
 * Which memory types (low byte of the `memoryType` column) fulfil the cache attribute among `attributes`;
 * without one, write-back is declared.
 * @returns 256 bytes, nonzero for each type that does
 */
export function acceptedMemoryTypes(attributes: MemoryAttributeBits, architecture: Architecture): Uint8Array {
  const declared = attributes & CACHE_ATTRIBUTES || MemoryAttributes.Writeback;
  const accepted = new Uint8Array(256);
  for (let type = 0; type < accepted.length; type++) {
    const fulfils =
      architecture === 'x64' ? X64_TYPES.get(declared)?.includes(type) : AARCH64_TYPES.get(declared)?.(type);
    accepted[type] = fulfils === true ? 1 : 0;
  }
  return accepted;
}

/** Which memory types fulfil what is said of a page: the one that is named, or else those of its cache attribute. */
export function memoryTypesOf(statement: PageStatement | undefined, architecture: Architecture): Uint8Array {
  const { attributes = MemoryAttributes.None, x64, aarch64 } = statement ?? {};
  if (x64?.memoryType !== undefined) return onlyType(x64MemoryTypeNumber(x64.memoryType));
  if (aarch64?.memoryType !== undefined) return onlyType(mairByte(aarch64.memoryType));
  return acceptedMemoryTypes(attributes, architecture);
}

/** Accepts one memory type. */
function onlyType(type: number): Uint8Array {
  const accepted = new Uint8Array(256);
  accepted[type] = 1;
  return accepted;
}

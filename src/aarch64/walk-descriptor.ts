import { FRAME_SHIFT } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import type { EntryFormat, ScanRoot } from '../leaf-scan.ts';
import { DescriptorHigh, DescriptorLow } from './descriptor-bits.ts';
import { LAST_LEVEL, levelBits } from './walk-granule.ts';
import type { TableLayout } from './walk-layout.ts';
import { Restriction } from './walk-rights.ts';
import { SHAREABILITY_INDEX_SHIFT, type TranslationStage, type WalkRange } from './walk-stage.ts';

/**
 * What a descriptor of a level is to the walk (Arm ARM D8.3): invalid, or of a type that its level does not
 * have, is a translation fault; an address beyond the output size is an address size fault.
 * @param address bits 51:32 of its address, see {@link addressHigh}; as in the functions below
 */
export function descriptorKind(range: WalkRange, level: number, low: number, address: number): EntryKind {
  if ((low & DescriptorLow.Valid) === 0) return EntryKind.Invalid;
  const isTableOrPage = (low & DescriptorLow.TableOrPage) !== 0;
  if (!isTableOrPage && (level < range.layout.firstBlockLevel || level === LAST_LEVEL))
    return EntryKind.Invalid;
  if ((address & range.outOfRangeHigh) !== 0) return EntryKind.Malformed;
  return isTableOrPage && level < LAST_LEVEL ? EntryKind.Table : EntryKind.Leaf;
}

/** First 4 KiB frame of the next table. */
export function tableFrame(range: WalkRange, low: number, address: number): number {
  const { offsetLow } = levelBits(range.granule, LAST_LEVEL);
  return frame(low & ~offsetLow, address);
}

/** First 4 KiB frame of the page or block; address bits below its size count as zero. */
export function leafFrame(range: WalkRange, level: number, low: number, address: number): number {
  const { offsetLow, offsetHigh } = levelBits(range.granule, level);
  return frame(low & ~offsetLow, address & ~offsetHigh);
}

/** Bits 51:32 of the address in a descriptor. */
export function addressHigh(layout: TableLayout, low: number, high: number): number {
  return (high & layout.addressHigh) | (((low >>> layout.movedFrom) & layout.movedMask) << layout.movedTo);
}

/** {@link Restriction}s of a table descriptor of stage 1. */
export function tableRestrictions(high: number): number {
  return (high >>> 27) & 0xf;
}

/** {@link Restriction}s of a page or block; where hardware keeps the dirty state, DBM stands for a write that sets it. */
export function leafRestrictions(stage: TranslationStage, low: number, high: number): number {
  let restrictions = (high >>> 21) & (Restriction.PrivilegedExecute | Restriction.UserExecute);
  if ((low & DescriptorLow.User) === 0) restrictions |= Restriction.UserAccess;
  const becomesDirty = stage.hardwareDirty && (high & DescriptorHigh.DirtyBitModifier) !== 0;
  if ((low & DescriptorLow.ReadOnly) !== stage.writableBit && !becomesDirty)
    restrictions |= Restriction.Write;
  return restrictions;
}

/** Index into a `MemoryTypeTable`: SH, and AttrIndx with NS above it (stage 1) or MemAttr (stage 2). */
export function memoryTypeIndex(range: WalkRange, low: number): number {
  return (
    ((low >>> 2) & 0xf) |
    ((low >>> (8 - SHAREABILITY_INDEX_SHIFT)) & range.shareabilityMask) |
    range.shareability
  );
}

/** How a scan for leaves reads the tables of one range; a table's height is 4 − level. */
function descriptorFormat(range: WalkRange): EntryFormat {
  const levelOf = (height: number) => LAST_LEVEL + 1 - height;
  return {
    indexBits: range.granule.indexBits,
    pageShift: range.granule.pageShift,
    kindOf: (height, low, high) =>
      descriptorKind(range, levelOf(height), low, addressHigh(range.layout, low, high)),
    frameOf: (height, low, high) => {
      const level = levelOf(height);
      const address = addressHigh(range.layout, low, high);
      const isTable = level < LAST_LEVEL && (low & DescriptorLow.TableOrPage) !== 0;
      return isTable ? tableFrame(range, low, address) : leafFrame(range, level, low, address);
    },
  };
}

/** The root tables of the ranges that are walked. */
export function scanRoots(ranges: readonly WalkRange[]): ScanRoot[] {
  return ranges.filter((range) => !range.disabled && !range.rootOutOfRange).map(scanRoot);
}

/** The root table of a range; the upper range ends at the end of the address space. */
function scanRoot(range: WalkRange): ScanRoot {
  const { granule, startLevel, inputBits } = range;
  const pages = 2 ** (levelBits(granule, startLevel).shift - FRAME_SHIFT);
  const first = range.upper ? 2 ** 52 - 2 ** (inputBits - FRAME_SHIFT) : 0;
  return {
    format: descriptorFormat(range),
    frame: range.rootFrame,
    byteOffset: range.rootOffset,
    entries: range.rootEntries,
    height: LAST_LEVEL + 1 - startLevel,
    pageOf: (index) => first + index * pages,
  };
}

function frame(low: number, high: number): number {
  return high * 0x10_0000 + (low >>> 12);
}

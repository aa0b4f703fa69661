import { EntryKind } from '../entry-kind.ts';
import type { EntryFormat } from '../leaf-scan.ts';
import { DescriptorHigh, DescriptorLow } from './descriptor-bits.ts';
import { type Granule, LAST_LEVEL, levelBits } from './walk-regime.ts';
import { Restriction } from './walk-rights.ts';
import type { StageOne } from './walk-stage-one.ts';

/**
 * What a descriptor of a level is to the walk (Arm ARM D8.3): invalid, or of a type that its level does not
 * have, is a translation fault; an address beyond the output size is an address size fault.
 */
export function descriptorKind(
  stage: StageOne,
  granule: Granule,
  level: number,
  low: number,
  high: number,
): EntryKind {
  if ((low & DescriptorLow.Valid) === 0) return EntryKind.Invalid;
  const isTableOrPage = (low & DescriptorLow.TableOrPage) !== 0;
  if (!isTableOrPage && (level < granule.firstBlockLevel || level === LAST_LEVEL)) return EntryKind.Invalid;
  if ((high & stage.outOfRangeHigh) !== 0) return EntryKind.Malformed;
  return isTableOrPage && level < LAST_LEVEL ? EntryKind.Table : EntryKind.Leaf;
}

/** First 4 KiB frame of the next table. */
export function tableFrame(granule: Granule, low: number, high: number): number {
  return frame(low & ~levelBits(granule, LAST_LEVEL).offsetLow, high);
}

/** First 4 KiB frame of the page or block; address bits below its size count as zero. */
export function leafFrame(granule: Granule, level: number, low: number, high: number): number {
  const { offsetLow, offsetHigh } = levelBits(granule, level);
  return frame(low & ~offsetLow, high & ~offsetHigh);
}

/** {@link Restriction}s of a table descriptor. */
export function tableRestrictions(high: number): number {
  return (high >>> 27) & 0xf;
}

/** {@link Restriction}s of a page or block; with `hardwareDirty` DBM stands for a write that sets dirty. */
export function leafRestrictions(low: number, high: number, hardwareDirty: boolean): number {
  let restrictions = (high >>> 21) & (Restriction.PrivilegedExecute | Restriction.UserExecute);
  if ((low & DescriptorLow.User) === 0) restrictions |= Restriction.UserAccess;
  const becomesDirty = hardwareDirty && (high & DescriptorHigh.DirtyBitModifier) !== 0;
  if ((low & DescriptorLow.ReadOnly) !== 0 && !becomesDirty) restrictions |= Restriction.Write;
  return restrictions;
}

/** How a scan for leaves reads the tables of one range; a table's height is 4 − level. */
export function descriptorFormat(stage: StageOne, granule: Granule): EntryFormat {
  const levelOf = (height: number) => LAST_LEVEL + 1 - height;
  return {
    indexBits: granule.indexBits,
    pageShift: granule.pageShift,
    kindOf: (height, low, high) => descriptorKind(stage, granule, levelOf(height), low, high),
    frameOf: (height, low, high) => {
      const level = levelOf(height);
      const isTable = level < LAST_LEVEL && (low & DescriptorLow.TableOrPage) !== 0;
      return isTable ? tableFrame(granule, low, high) : leafFrame(granule, level, low, high);
    },
  };
}

function frame(low: number, high: number): number {
  return (high & DescriptorHigh.Address) * 0x10_0000 + (low >>> 12);
}

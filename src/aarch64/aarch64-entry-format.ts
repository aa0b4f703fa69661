import { CACHE_ATTRIBUTES, type MemoryAttributeBits, MemoryAttributes } from '../memory-attributes.ts';
import type { EntryField, EntryFormat, LeafTemplate } from '../patina/entry-format.ts';
import {
  ATTR_INDX_SHIFT,
  DescriptorHigh,
  DescriptorLow,
  SHAREABILITY_SHIFT,
  Shareability,
} from './descriptor-bits.ts';

const { ExecuteProtect, ReadOnly, ReadProtect } = MemoryAttributes;

/** What MAIR and SH say for one cache attribute. */
interface CacheType {
  readonly attribute: MemoryAttributeBits;
  /** The byte of MAIR (Arm ARM D19.2.97) at this type's AttrIndx, which is its place in the list. */
  readonly mair: number;
  readonly shareability: number;
}

/** AttrIndx 0–3 as patina-paging assigns them. */
const CACHE_TYPES: readonly CacheType[] = [
  { attribute: MemoryAttributes.Uncached, mair: 0x00, shareability: Shareability.Non },
  { attribute: MemoryAttributes.WriteCombining, mair: 0x44, shareability: Shareability.Non },
  { attribute: MemoryAttributes.WriteThrough, mair: 0xbb, shareability: Shareability.Inner },
  { attribute: MemoryAttributes.Writeback, mair: 0xff, shareability: Shareability.Inner },
];

/** MAIR for tables that the engine writes. */
export const MAIR: bigint = CACHE_TYPES.reduce((mair, { mair: byte }, index) => {
  return mair | (BigInt(byte) << BigInt(8 * index));
}, 0n);

const WRITEBACK = leafCacheBits(3);

/** Of a regime with EL0: only EL0 may not execute, or only EL1 may not. No attribute can say that. */
const OnlyUserExecuteNever = 0x1000_0000;
const OnlyPrivilegedExecuteNever = 0x2000_0000;

const FIELDS: readonly EntryField[] = [
  { name: 'NSTable', bits: [63, 63] },
  { name: 'APTable', bits: [62, 61] },
  { name: 'XNTable', bits: [60, 60] },
  { name: 'PXNTable', bits: [59, 59] },
  { name: 'software', bits: [58, 55] },
  { name: 'UXN', bits: [54, 54] },
  { name: 'PXN', bits: [53, 53] },
  { name: 'Cont', bits: [52, 52] },
  { name: 'DBM', bits: [51, 51] },
  { name: 'GP', bits: [50, 50] },
  { name: 'address', bits: [49, 12] },
  { name: 'nG', bits: [11, 11] },
  { name: 'AF', bits: [10, 10] },
  { name: 'SH', bits: [9, 8] },
  { name: 'AP', bits: [7, 6] },
  { name: 'NS', bits: [5, 5] },
  { name: 'Attr', bits: [4, 2] },
  { name: 'T', bits: [1, 1] },
  { name: 'V', bits: [0, 0] },
];

function leafCacheBits(index: number): number {
  const type = CACHE_TYPES[index] as CacheType;
  return (index << ATTR_INDX_SHIFT) | (type.shareability << SHAREABILITY_SHIFT);
}

/** The cache attribute that AttrIndx means; indices beyond those that the engine uses read as Uncached. */
function cacheAttributeOf(low: number): MemoryAttributeBits {
  const type = CACHE_TYPES[(low & DescriptorLow.AttrIndx) >> ATTR_INDX_SHIFT];
  return type?.attribute ?? MemoryAttributes.Uncached;
}

/**
 * How leaves are written, given the bits that forbid execution. Bits of the old descriptor that patina-paging does
 * not know survive: NS, nG, GP, DBM, contiguous, software bits, the hierarchical bits, and AF where the new
 * descriptor is invalid.
 */
function template(attributes: MemoryAttributeBits, executeNever: number): LeafTemplate {
  const cache = attributes & CACHE_ATTRIBUTES;
  const index = CACHE_TYPES.findIndex(({ attribute }) => attribute === cache);
  const valid = (attributes & ReadProtect) === 0;
  const large =
    leafCacheBits(Math.max(index, 0)) |
    ((attributes & ReadOnly) !== 0 ? DescriptorLow.ReadOnly : 0) |
    (valid ? DescriptorLow.Valid | DescriptorLow.AccessFlag : 0);
  return {
    attributes,
    keepLow: DescriptorLow.NonSecure | DescriptorLow.NotGlobal | (valid ? 0 : DescriptorLow.AccessFlag),
    keepHigh: KEPT_HIGH,
    pageLow: large | DescriptorLow.TableOrPage,
    largeLow: large,
    setHigh: executeNever,
    refusal: refusal(index, attributes),
  };
}

/** Why attributes cannot be encoded. */
function refusal(cacheIndex: number, attributes: MemoryAttributeBits): string | undefined {
  if (cacheIndex < 0)
    return 'exactly one of uncached, write-combining, write-through and writeback is needed';
  const executableDevice = cacheIndex === 0 && (attributes & ExecuteProtect) === 0;
  return executableDevice ? 'uncached (device) memory must be execute-protected' : undefined;
}

const KEPT_HIGH =
  DescriptorHigh.Guarded |
  DescriptorHigh.DirtyBitModifier |
  DescriptorHigh.Contiguous |
  DescriptorHigh.Software |
  DescriptorHigh.PrivilegedExecuteNeverTable |
  DescriptorHigh.UserExecuteNeverTable |
  DescriptorHigh.NoUserTable |
  DescriptorHigh.ReadOnlyTable |
  DescriptorHigh.NonSecureTable;

const COMMON = {
  present: DescriptorLow.Valid,
  leafMask: DescriptorLow.TableOrPage,
  leafValue: 0,
  addressHigh: DescriptorHigh.Address,
  tableLow: DescriptorLow.Valid | DescriptorLow.TableOrPage | DescriptorLow.AccessFlag | WRITEBACK,
  tableKeepLow: DescriptorLow.NonSecure | DescriptorLow.NotGlobal,
  tableKeepHigh: KEPT_HIGH,
  attributesLow: DescriptorLow.AttrIndx | DescriptorLow.ReadOnly | DescriptorLow.User,
  attributesHigh: DescriptorHigh.PrivilegedExecuteNever | DescriptorHigh.UserExecuteNever,
  levelNames: ['level 3', 'level 2', 'level 1', 'level 0'],
  fields: FIELDS,
} as const;

function readOnlyTable(high: number): MemoryAttributeBits {
  return (high & DescriptorHigh.ReadOnlyTable) !== 0 ? ReadOnly : 0;
}

function dataAttributes(low: number): MemoryAttributeBits {
  return cacheAttributeOf(low) | ((low & DescriptorLow.ReadOnly) !== 0 ? ReadOnly : 0);
}

/** EL2 without EL0 (HCR_EL2.E2H = 0): bit 54 is XN and forbids all execution (Arm ARM D8.4.1). */
export const EL2_FORMAT: EntryFormat = {
  ...COMMON,

  leafTemplate(attributes) {
    return template(attributes, (attributes & ExecuteProtect) !== 0 ? DescriptorHigh.UserExecuteNever : 0);
  },

  leafAttributes(low, high, inherited) {
    const execute = (high & DescriptorHigh.UserExecuteNever) !== 0 ? ExecuteProtect : 0;
    return dataAttributes(low) | execute | inherited;
  },

  tableRestrictions(_low, high) {
    const never = DescriptorHigh.UserExecuteNeverTable | DescriptorHigh.PrivilegedExecuteNeverTable;
    return readOnlyTable(high) | ((high & never) !== 0 ? ExecuteProtect : 0);
  },
};

/**
 * EL1&0: UXN stops EL0 and PXN stops EL1, so execute-protect takes both, and a page that EL0 may write is
 * never executable at EL1 (Arm ARM D8.4.1).
 */
export const EL1_FORMAT: EntryFormat = {
  ...COMMON,

  leafTemplate(attributes) {
    const user = (attributes & (ExecuteProtect | OnlyUserExecuteNever)) !== 0;
    const privileged = (attributes & (ExecuteProtect | OnlyPrivilegedExecuteNever)) !== 0;
    return template(
      attributes,
      (user ? DescriptorHigh.UserExecuteNever : 0) | (privileged ? DescriptorHigh.PrivilegedExecuteNever : 0),
    );
  },

  leafAttributes(low, high, inherited) {
    const writableByUser = (low & (DescriptorLow.User | DescriptorLow.ReadOnly)) === DescriptorLow.User;
    return (
      dataAttributes(low) |
      executeNever(
        (high & DescriptorHigh.UserExecuteNever) !== 0,
        (high & DescriptorHigh.PrivilegedExecuteNever) !== 0 || writableByUser,
        inherited,
      )
    );
  },

  tableRestrictions(_low, high) {
    return (
      readOnlyTable(high) |
      executeNever(
        (high & DescriptorHigh.UserExecuteNeverTable) !== 0,
        (high & DescriptorHigh.PrivilegedExecuteNeverTable) !== 0,
        0,
      )
    );
  },
};

/** `inherited` with these two restrictions added; both together, from wherever they come, are ExecuteProtect. */
function executeNever(
  user: boolean,
  privileged: boolean,
  inherited: MemoryAttributeBits,
): MemoryAttributeBits {
  const either = OnlyUserExecuteNever | OnlyPrivilegedExecuteNever;
  const sum = inherited | (user ? OnlyUserExecuteNever : 0) | (privileged ? OnlyPrivilegedExecuteNever : 0);
  if ((sum & ExecuteProtect) === 0 && (sum & either) !== either) return sum;
  return (sum & ~either) | ExecuteProtect;
}

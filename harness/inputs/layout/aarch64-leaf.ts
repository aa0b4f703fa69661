import {
  ATTR_INDX_SHIFT,
  DescriptorHigh,
  DescriptorLow,
  SHAREABILITY_SHIFT,
} from '../../../src/aarch64/descriptor-bits.ts';
import {
  type AttributeBits,
  El1Attributes,
  El23Attributes,
  Stage2Attributes,
} from '../../../src/aarch64/mapping/attributes.ts';
import { Mair } from '../../../src/aarch64/mapping/mair.ts';
import { wordsToBigInt } from '../../../src/addresses.ts';
import { CACHE_ATTRIBUTES, MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { QueriedPage } from '../types.ts';
import { hasUser } from './aarch64-geometry.ts';
import {
  type AArch64MemoryTypeName,
  cacheAttributeOfType,
  ignoresShareability,
  mairByte,
  type ShareName,
  shareabilityBits,
  shareNameOf,
} from './aarch64-region.ts';
import type { LayoutRegion, RegimeName } from './layout.ts';

const { ExecuteProtect, ReadOnly, Supervisor, Uncached, WriteCombining, WriteThrough } = MemoryAttributes;

/** The memory types by AttrIndx; the first four as the engine's identity-mapped tables have them. */
const TYPES_BY_INDEX: readonly AArch64MemoryTypeName[] = [
  'device-nGnRnE',
  'normal-non-cacheable',
  'normal-write-through',
  'normal-write-back',
  'device-nGnRE',
  'device-nGRE',
  'device-GRE',
];

/** MAIR of stage 1 tables of a layout. */
export const LAYOUT_MAIR = Mair.of(...TYPES_BY_INDEX.map(mairByte));

/** MemAttr[3:0] of stage 2: outer above inner cacheability, or which Device memory (Arm ARM D8.5.5). */
const MEM_ATTR: Readonly<Record<AArch64MemoryTypeName, number>> = {
  'device-nGnRnE': 0b0000,
  'device-nGnRE': 0b0001,
  'device-nGRE': 0b0010,
  'device-GRE': 0b0011,
  'normal-non-cacheable': 0b0101,
  'normal-write-through': 0b1010,
  'normal-write-back': 0b1111,
};
const MEM_ATTR_SHIFT = 2;
/** S2AP of stage 2 stands where AP stands: bit 6 allows reads, bit 7 writes (Arm ARM D8.4.2). */
const S2AP_READ: number = DescriptorLow.User;
const S2AP_WRITE: number = DescriptorLow.ReadOnly;

/** The attributes of the leaves of a region. */
export function leafFlags(regime: RegimeName, region: LayoutRegion): AttributeBits {
  switch (regime) {
    case 'el1':
    case 'el2-vhe':
      return El1Attributes.fromBits(stageOneBits(region, true));
    case 'el2':
    case 'el3':
      return El23Attributes.fromBits(stageOneBits(region, false));
    case 'stage2':
      return Stage2Attributes.fromBits(stageTwoBits(region));
  }
}

/** The memory type that a region's details or its cache attribute ask for. */
function memoryTypeOf({ attributes, aarch64 }: LayoutRegion): AArch64MemoryTypeName {
  if (aarch64?.memoryType !== undefined) return aarch64.memoryType;
  switch (attributes & CACHE_ATTRIBUTES) {
    case Uncached:
      return 'device-nGnRnE';
    case WriteCombining:
      return 'normal-non-cacheable';
    case WriteThrough:
      return 'normal-write-through';
    default:
      return 'normal-write-back';
  }
}

/** SH; where it is not declared, cacheable memory is inner shareable, and all else what it is anyway. */
function shareabilityOf(region: LayoutRegion): number {
  const what: ShareName =
    region.aarch64?.share ?? (ignoresShareability(memoryTypeOf(region)) ? 'outer' : 'inner');
  return shareabilityBits(what) << SHAREABILITY_SHIFT;
}

/**
 * Stage 1 (Arm ARM D8.4.1). Where EL0 is not spoken of, it reads and writes nothing and executes what the privileged
 * level executes. Without EL0, AP[1] is RES1 and UXN is XN.
 */
function stageOneBits(region: LayoutRegion, isShared: boolean): bigint {
  const { attributes, aarch64 } = region;
  const isProtected = (attributes & ExecuteProtect) !== 0;
  const userReads = !isShared || aarch64?.user?.read === true;
  const mayExecute = !isProtected && (!isShared || (attributes & Supervisor) === 0);
  const userExecutes = aarch64?.user?.execute ?? mayExecute;
  const low =
    DescriptorLow.Valid |
    DescriptorLow.AccessFlag |
    (TYPES_BY_INDEX.indexOf(memoryTypeOf(region)) << ATTR_INDX_SHIFT) |
    shareabilityOf(region) |
    (userReads ? DescriptorLow.User : 0) |
    ((attributes & ReadOnly) === 0 ? 0 : DescriptorLow.ReadOnly) |
    (aarch64?.global === false ? DescriptorLow.NotGlobal : 0);
  const high =
    (isShared && isProtected ? DescriptorHigh.PrivilegedExecuteNever : 0) |
    (userExecutes ? 0 : DescriptorHigh.UserExecuteNever);
  return wordsToBigInt(low, high);
}

/** Stage 2 (Arm ARM D8.4.2). */
function stageTwoBits(region: LayoutRegion): bigint {
  const { attributes, aarch64 } = region;
  const low =
    DescriptorLow.Valid |
    DescriptorLow.AccessFlag |
    (MEM_ATTR[memoryTypeOf(region)] << MEM_ATTR_SHIFT) |
    shareabilityOf(region) |
    (aarch64?.guest?.read === false ? 0 : S2AP_READ) |
    ((attributes & ReadOnly) === 0 ? S2AP_WRITE : 0);
  return wordsToBigInt(low, (attributes & ExecuteProtect) === 0 ? 0 : DescriptorHigh.UserExecuteNever);
}

/** What a leaf, given as its two words, says in terms of a layout. */
export function pageOfLeaf(regime: RegimeName, low: number, high: number): QueriedPage {
  const has = (bit: number) => (low & bit) !== 0;
  const isTwo = regime === 'stage2';
  const isShared = hasUser({ regime });
  const isWritable = isTwo ? has(S2AP_WRITE) : !has(DescriptorLow.ReadOnly);
  const userExecutes = (high & DescriptorHigh.UserExecuteNever) === 0;
  const executes = isShared ? (high & DescriptorHigh.PrivilegedExecuteNever) === 0 : userExecutes;
  const memoryType = isTwo
    ? (Object.keys(MEM_ATTR) as AArch64MemoryTypeName[]).find(
        (name) => MEM_ATTR[name] === ((low >> MEM_ATTR_SHIFT) & 0xf),
      )
    : TYPES_BY_INDEX[(low & DescriptorLow.AttrIndx) >> ATTR_INDX_SHIFT];
  const reads = has(DescriptorLow.User);
  const user = isShared ? { read: reads, write: reads && isWritable, execute: userExecutes } : undefined;
  return {
    attributes:
      (memoryType === undefined ? 0 : cacheAttributeOfType(memoryType)) |
      (isWritable ? 0 : ReadOnly) |
      (executes ? 0 : ExecuteProtect) |
      (user !== undefined && !reads && !userExecutes ? Supervisor : 0),
    aarch64: {
      user,
      guest: isTwo ? { read: reads, write: isWritable, execute: executes } : undefined,
      share: shareNameOf((low & DescriptorLow.Shareability) >> SHAREABILITY_SHIFT),
      memoryType,
      global: isShared ? !has(DescriptorLow.NotGlobal) : undefined,
    },
  };
}

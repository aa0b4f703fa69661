import { KNOWN_ALL, Known } from '../outcome-list.ts';
import { Shareability } from './descriptor-bits.ts';

/** Position of the shareability in `OutcomeList.memoryType`. */
export const SHAREABILITY_COLUMN_SHIFT = 8;
/** MAIR byte of memory that is inner and outer non-cacheable. */
const NON_CACHEABLE = 0x44;
/** SH[1:0] = 0b01. */
export const RESERVED_SHAREABILITY = 1;

/** What the attributes and SH of a leaf select; index: `memoryTypeIndex` in walk-descriptor.ts. */
export interface MemoryTypeTable {
  /** Elements of `OutcomeList.memoryType`. */
  readonly types: Uint16Array;
  /** Elements of `OutcomeList.known`: all but what the architecture leaves open. */
  readonly known: Uint8Array;
}

/** Elements of a {@link MemoryTypeTable}: four bits of attributes below two of shareability. */
export const MEMORY_TYPE_INDICES = 64;

/**
 * Every combination of AttrIndx and SH under a MAIR value: what the descriptor selects, as PAR_EL1 shows it. That
 * SCTLR_ELx.C = 0 makes data accesses non-cacheable beyond that is left out.
 */
export function memoryTypeTable(mair: bigint): MemoryTypeTable {
  const types = new Uint16Array(MEMORY_TYPE_INDICES);
  const known = new Uint8Array(MEMORY_TYPE_INDICES).fill(KNOWN_ALL);
  for (let index = 0; index < MEMORY_TYPE_INDICES; index++) {
    const attribute = Number((mair >> BigInt(8 * (index & 7))) & 0xffn);
    const shareability = effectiveShareability(attribute, index >>> 4);
    types[index] = attribute | (shareability << SHAREABILITY_COLUMN_SHIFT);
    if (shareability === RESERVED_SHAREABILITY) known[index] = KNOWN_ALL & ~Known.Shareability;
  }
  return { types, known };
}

/**
 * Device memory and memory that is non-cacheable throughout are outer shareable whatever SH says
 * (Arm ARM D8.6); otherwise SH counts.
 */
export function effectiveShareability(attribute: number, sh: number): number {
  return isDevice(attribute) || attribute === NON_CACHEABLE ? Shareability.Outer : sh;
}

const DEVICE_TYPES = ['nGnRnE', 'nGnRE', 'nGRE', 'GRE'] as const;
const SHAREABILITIES = [
  'non-shareable',
  'reserved shareability',
  'outer shareable',
  'inner shareable',
] as const;

/** "device nGnRE, outer shareable"; "normal write-back, inner shareable" (MAIR_ELx, Arm ARM D19.2). */
export function aarch64MemoryTypeName(memoryType: number): string {
  const attribute = memoryType & 0xff;
  const shareability = SHAREABILITIES[(memoryType >>> SHAREABILITY_COLUMN_SHIFT) & 3] as string;
  return `${attributeName(attribute)}, ${shareability}`;
}

function attributeName(attribute: number): string {
  if (isDevice(attribute)) {
    return (attribute & 0b11) === 0
      ? `device ${DEVICE_TYPES[attribute >>> 2] as string}`
      : reserved(attribute);
  }
  if (attribute === 0xf0) return 'normal write-back, tagged';
  const outer = cacheability(attribute >>> 4);
  const inner = cacheability(attribute & 0xf);
  if (outer === undefined || inner === undefined) return reserved(attribute);
  return outer === inner ? `normal ${outer}` : `normal outer ${outer} inner ${inner}`;
}

/** The cache policy of a nibble of a MAIR byte; the allocation hints in bits 1:0 are left out. */
function cacheability(nibble: number): string | undefined {
  if (nibble === 0b0100) return 'non-cacheable';
  if (nibble === 0) return undefined;
  switch (nibble >>> 2) {
    case 0b00:
      return 'write-through transient';
    case 0b01:
      return 'write-back transient';
    case 0b10:
      return 'write-through';
    default:
      return 'write-back';
  }
}

export function isDevice(attribute: number): boolean {
  return attribute >>> 4 === 0;
}

function reserved(attribute: number): string {
  return `reserved attribute 0x${attribute.toString(16).padStart(2, '0')}`;
}

import { hex } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import {
  ATTR_INDX_SHIFT,
  DescriptorHigh,
  DescriptorLow,
  SHAREABILITY_SHIFT,
  Shareability,
} from '../descriptor-bits.ts';
import {
  AttributeKind,
  CONTIGUOUS,
  KIND_MASK,
  NO_TRANSLATION,
  PACKED_MASK,
  packBits,
  packHigh,
  unpackBits,
} from './attribute-words.ts';

declare const attributeKind: unique symbol;

/**
 * Attributes of a descriptor: every bit outside the address, packed into one number, and which regimes they are for.
 * Made by {@link El1Attributes}, {@link El23Attributes} and {@link Stage2Attributes}, combined by their `union`.
 */
export type AttributeBits<K extends AttributeKind = AttributeKind> = number & { readonly [attributeKind]: K };
/** Attributes for EL1&0 and EL2&0. */
export type El1AttributeBits = AttributeBits<typeof AttributeKind.El1>;
/** Attributes for EL2 and EL3. */
export type El23AttributeBits = AttributeBits<typeof AttributeKind.El23>;
/** Attributes for stage 2. */
export type Stage2AttributeBits = AttributeBits<typeof AttributeKind.Stage2>;

/** What can be done with the attributes of one kind. */
export interface AttributeFunctions<K extends AttributeKind> {
  readonly kind: K;
  /** All of the given attributes together. */
  union(...attributes: readonly AttributeBits<K>[]): AttributeBits<K>;
  /** The attributes without those of `removed`. */
  without(attributes: AttributeBits<K>, removed: AttributeBits<K>): AttributeBits<K>;
  /** Whether all of `wanted` are set. */
  contains(attributes: AttributeBits<K>, wanted: AttributeBits<K>): boolean;
  /** Attributes at their places in a 64-bit descriptor. @throws PageTableError InvalidFlags for bits without a name */
  fromBits(bits: bigint): AttributeBits<K>;
  /**
   * As {@link fromBits}, but bits that these regimes do not name are kept; a table with `atomic: false` takes them.
   * @throws PageTableError InvalidFlags for bits 15:12 and 49:17, which are no attributes in any regime
   */
  fromBitsRetain(bits: bigint): AttributeBits<K>;
  /** The attributes at their places in a 64-bit descriptor. */
  toBits(attributes: AttributeBits<K>): bigint;
  /** The names of the attributes, lowest bit first; fields of several bits by their value. */
  names(attributes: AttributeBits<K>): string[];
}

export type AttributeSet<K extends AttributeKind, N extends string> = AttributeFunctions<K> & {
  readonly [name in N]: AttributeBits<K>;
};

/** A field of more than one bit: its mask, and the name of each value. */
interface Field {
  readonly mask: number;
  readonly names: Readonly<Record<number, string>>;
}

function attributeSet<K extends AttributeKind, N extends string>(
  kind: K,
  constants: Readonly<Record<N, number>>,
  fields: readonly Field[],
): AttributeSet<K, N> {
  const named = Object.entries<number>(constants);
  const known = named.reduce((mask, [, bits]) => mask | bits, 0);
  const fieldBits = fields.reduce((mask, field) => mask | field.mask, 0);
  const flags = named.filter(([, bits]) => bits !== 0 && (bits & fieldBits) === 0);
  const typed = (packed: number): AttributeBits<K> => (packed | kind) as AttributeBits<K>;
  const retained = (bits: bigint): AttributeBits<K> => {
    const packed = packBits(BigInt.asUintN(64, bits));
    if (packed === undefined) throw invalidFlags(bits, 'has bits that are no attributes');
    return typed(packed);
  };
  const functions: AttributeFunctions<K> = {
    kind,
    union: (...attributes) => typed(attributes.reduce<number>((all, each) => all | each, 0)),
    without: (attributes, removed) => typed(attributes & ~removed),
    contains: (attributes, wanted) => (wanted & PACKED_MASK & ~attributes) === 0,
    fromBits(bits) {
      const attributes = retained(bits);
      if ((attributes & PACKED_MASK & ~known) !== 0) {
        throw invalidFlags(bits, `has bits that ${KIND_NAMES[kind]} does not have`);
      }
      return attributes;
    },
    fromBitsRetain: retained,
    toBits: (attributes) => unpackBits(attributes),
    names: (attributes) => [
      ...fields.map(({ mask, names }) => names[attributes & mask]).filter((name) => name !== undefined),
      ...flags.filter(([, bit]) => (attributes & bit) === bit).map(([name]) => name),
    ],
  };
  const values = named.map(([name, bits]) => [name, typed(bits)]);
  KNOWN_BITS.set(kind, known);
  NAME_FUNCTIONS.set(kind, functions.names as (attributes: number) => string[]);
  return Object.freeze({ ...functions, ...Object.fromEntries(values) });
}

const KIND_NAMES: Readonly<Record<AttributeKind, string>> = {
  [AttributeKind.El1]: 'El1Attributes',
  [AttributeKind.El23]: 'El23Attributes',
  [AttributeKind.Stage2]: 'Stage2Attributes',
};

/** Packed bits that have a name, by kind. */
const KNOWN_BITS = new Map<AttributeKind, number>();

const NAME_FUNCTIONS = new Map<AttributeKind, (attributes: number) => string[]>();

/** The names of attributes of a kind. */
export function attributeNames(attributes: number, kind: AttributeKind): string[] {
  return NAME_FUNCTIONS.get(kind)?.(attributes) ?? [];
}

/** The packed bits that attributes of a kind name. */
export function knownBits(kind: AttributeKind): number {
  return KNOWN_BITS.get(kind) ?? 0;
}

/**
 * Makes sure that attributes given by plain JavaScript are of the kind that a regime needs.
 * @param retain whether bits without a name are accepted
 * @throws PageTableError InvalidFlags with the bits
 */
export function checkAttributes(attributes: number, kind: AttributeKind, retain: boolean): void {
  if (!Number.isInteger(attributes) || (attributes & ~(PACKED_MASK | KIND_MASK)) !== 0) {
    throw new PageTableError('InvalidFlags', `${attributes} is no value of ${KIND_NAMES[kind]}`);
  }
  if ((attributes & KIND_MASK) !== kind) {
    throw invalidFlags(unpackBits(attributes), `is ${nameOfKind(attributes)}, not ${KIND_NAMES[kind]}`);
  }
  if (!retain && (attributes & PACKED_MASK & ~knownBits(kind)) !== 0) {
    throw invalidFlags(unpackBits(attributes), `has bits that ${KIND_NAMES[kind]} does not have`);
  }
}

function nameOfKind(attributes: number): string {
  const names = Object.values(AttributeKind)
    .filter((kind) => (attributes & kind) !== 0)
    .map((kind) => KIND_NAMES[kind]);
  return names.length === 0 ? 'a plain number' : names.join(' and ');
}

function invalidFlags(bits: bigint, what: string): PageTableError {
  return new PageTableError('InvalidFlags', `the flag word ${hex(bits)} ${what}`, { bits });
}

/** One of descriptor bits 58:55. */
function softwareFlag(index: number): number {
  const lowest = DescriptorHigh.Software & -DescriptorHigh.Software;
  return packHigh(lowest << index);
}

/** Attributes that every stage 1 regime has (Arm ARM D8.3.1). */
const STAGE_1 = {
  Empty: 0,
  /** The descriptor maps something. */
  Valid: DescriptorLow.Valid,
  /** A table or page; set by the engine, no mapping may ask for it. */
  TableOrPage: DescriptorLow.TableOrPage,
  AttributeIndex0: 0 << ATTR_INDX_SHIFT,
  AttributeIndex1: 1 << ATTR_INDX_SHIFT,
  AttributeIndex2: 2 << ATTR_INDX_SHIFT,
  AttributeIndex3: 3 << ATTR_INDX_SHIFT,
  AttributeIndex4: 4 << ATTR_INDX_SHIFT,
  AttributeIndex5: 5 << ATTR_INDX_SHIFT,
  AttributeIndex6: 6 << ATTR_INDX_SHIFT,
  AttributeIndex7: 7 << ATTR_INDX_SHIFT,
  OuterShareable: Shareability.Outer << SHAREABILITY_SHIFT,
  InnerShareable: Shareability.Inner << SHAREABILITY_SHIFT,
  NonSecure: DescriptorLow.NonSecure,
  ReadOnly: DescriptorLow.ReadOnly,
  Accessed: DescriptorLow.AccessFlag,
  NonGlobal: DescriptorLow.NotGlobal,
  /** nT of a block; a page has no such bit and is mapped without it. */
  NoTranslation: NO_TRANSLATION,
  GuardedPage: packHigh(DescriptorHigh.Guarded),
  DirtyBitModifier: packHigh(DescriptorHigh.DirtyBitModifier),
  ContiguousOrProtected: CONTIGUOUS,
  SoftwareFlag0: softwareFlag(0),
  SoftwareFlag1: softwareFlag(1),
  SoftwareFlag2: softwareFlag(2),
  SoftwareFlag3: softwareFlag(3),
  PxnTable: packHigh(DescriptorHigh.PrivilegedExecuteNeverTable),
  XnTable: packHigh(DescriptorHigh.UserExecuteNeverTable),
  ApTableNoEl0: packHigh(DescriptorHigh.NoUserTable),
  ApTableNoWrite: packHigh(DescriptorHigh.ReadOnlyTable),
  NsTable: packHigh(DescriptorHigh.NonSecureTable),
} as const;

const SHAREABILITY_FIELD: Field = {
  mask: DescriptorLow.Shareability,
  names: {
    [Shareability.Outer << SHAREABILITY_SHIFT]: 'OuterShareable',
    [Shareability.Inner << SHAREABILITY_SHIFT]: 'InnerShareable',
  },
};

const STAGE_1_FIELDS: readonly Field[] = [
  {
    mask: DescriptorLow.AttrIndx,
    names: Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [index << ATTR_INDX_SHIFT, `AttributeIndex${index}`]),
    ),
  },
  SHAREABILITY_FIELD,
];

/** Attributes of EL1&0 and EL2&0 stage 1 descriptors. */
export const El1Attributes = attributeSet(
  AttributeKind.El1,
  {
    ...STAGE_1,
    /** EL0 may access. */
    User: DescriptorLow.User,
    /** The privileged level may not execute. */
    Pxn: packHigh(DescriptorHigh.PrivilegedExecuteNever),
    /** EL0 may not execute. */
    Uxn: packHigh(DescriptorHigh.UserExecuteNever),
  },
  STAGE_1_FIELDS,
);

/** Attributes of EL2 and EL3 stage 1 descriptors. */
export const El23Attributes = attributeSet(
  AttributeKind.El23,
  {
    ...STAGE_1,
    /** AP[1], which is RES1 where there is no EL0. */
    UserRes1: DescriptorLow.User,
    /** No execution. */
    Xn: packHigh(DescriptorHigh.UserExecuteNever),
  },
  STAGE_1_FIELDS,
);

/** Position of MemAttr[3:0] in a stage 2 descriptor (Arm ARM D8.5.5). */
const MEM_ATTR_SHIFT = 2;
const MEM_ATTR_OUTER_SHIFT = 4;
/** Position of S2AP[1:0] (Arm ARM D8.4.2). */
const S2AP_SHIFT = 6;

/** Attributes of stage 2 descriptors; memory types as without FEAT_S2FWB. */
export const Stage2Attributes = attributeSet(
  AttributeKind.Stage2,
  {
    Empty: 0,
    Valid: DescriptorLow.Valid,
    TableOrPage: DescriptorLow.TableOrPage,
    MemAttrDeviceNGnRnE: 0 << MEM_ATTR_SHIFT,
    MemAttrDeviceNGnRE: 1 << MEM_ATTR_SHIFT,
    MemAttrDeviceNGRE: 2 << MEM_ATTR_SHIFT,
    MemAttrDeviceGRE: 3 << MEM_ATTR_SHIFT,
    MemAttrNormalInnerNC: 1 << MEM_ATTR_SHIFT,
    MemAttrNormalInnerWT: 2 << MEM_ATTR_SHIFT,
    MemAttrNormalInnerWB: 3 << MEM_ATTR_SHIFT,
    MemAttrNormalOuterNC: 1 << MEM_ATTR_OUTER_SHIFT,
    MemAttrNormalOuterWT: 2 << MEM_ATTR_OUTER_SHIFT,
    MemAttrNormalOuterWB: 3 << MEM_ATTR_OUTER_SHIFT,
    S2apAccessNone: 0 << S2AP_SHIFT,
    S2apAccessRO: 1 << S2AP_SHIFT,
    S2apAccessWO: 2 << S2AP_SHIFT,
    S2apAccessRW: 3 << S2AP_SHIFT,
    ShNone: Shareability.Non << SHAREABILITY_SHIFT,
    ShOuter: Shareability.Outer << SHAREABILITY_SHIFT,
    ShInner: Shareability.Inner << SHAREABILITY_SHIFT,
    AccessFlag: DescriptorLow.AccessFlag,
    /** No execution: XN[1:0] = 0b10. */
    Xn: packHigh(DescriptorHigh.UserExecuteNever),
    SoftwareFlag0: softwareFlag(0),
    SoftwareFlag1: softwareFlag(1),
    SoftwareFlag2: softwareFlag(2),
    SoftwareFlag3: softwareFlag(3),
  },
  [
    {
      mask: 0xf << MEM_ATTR_SHIFT,
      names: Object.fromEntries(
        Array.from({ length: 16 }, (_, value) => [value << MEM_ATTR_SHIFT, memAttrName(value)]),
      ),
    },
    {
      mask: 3 << S2AP_SHIFT,
      names: {
        [1 << S2AP_SHIFT]: 'S2apAccessRO',
        [2 << S2AP_SHIFT]: 'S2apAccessWO',
        [3 << S2AP_SHIFT]: 'S2apAccessRW',
      },
    },
    {
      mask: DescriptorLow.Shareability,
      names: {
        [Shareability.Outer << SHAREABILITY_SHIFT]: 'ShOuter',
        [Shareability.Inner << SHAREABILITY_SHIFT]: 'ShInner',
      },
    },
  ],
);

function memAttrName(value: number): string {
  const outer = value >> 2;
  const inner = value & 3;
  if (outer === 0) return `MemAttrDevice${['NGnRnE', 'NGnRE', 'NGRE', 'GRE'][inner]}`;
  const cacheability = ['reserved', 'NC', 'WT', 'WB'];
  return `MemAttrNormalInner${cacheability[inner]}Outer${cacheability[outer]}`;
}

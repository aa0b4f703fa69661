import { hex } from '../../addresses.ts';

/** Inner or outer attributes of normal memory: one half of a MAIR attribute (Arm ARM D19.2.100). */
export const NormalMemory = {
  WriteThroughTransientWriteAllocate: 0b0001,
  WriteThroughTransientReadAllocate: 0b0010,
  WriteThroughTransientReadWriteAllocate: 0b0011,
  NonCacheable: 0b0100,
  WriteBackTransientWriteAllocate: 0b0101,
  WriteBackTransientReadAllocate: 0b0110,
  WriteBackTransientReadWriteAllocate: 0b0111,
  WriteThroughNonTransient: 0b1000,
  WriteThroughNonTransientWriteAllocate: 0b1001,
  WriteThroughNonTransientReadAllocate: 0b1010,
  WriteThroughNonTransientReadWriteAllocate: 0b1011,
  WriteBackNonTransient: 0b1100,
  WriteBackNonTransientWriteAllocate: 0b1101,
  WriteBackNonTransientReadAllocate: 0b1110,
  WriteBackNonTransientReadWriteAllocate: 0b1111,
} as const;
export type NormalMemory = (typeof NormalMemory)[keyof typeof NormalMemory];

/** One byte of MAIR. */
export type MairAttributeBits = number;

const NAMES = new Map<number, string>(Object.entries(NormalMemory).map(([name, value]) => [value, name]));
const DEVICE_NAMES = ['nGnRnE', 'nGnRE', 'nGRE', 'GRE'];
const ATTRIBUTES = 8;
const ATTRIBUTE_BITS = 8n;

export const MairAttribute = {
  DeviceNGnRnE: 0x00,
  DeviceNGnRE: 0x04,
  DeviceNGRE: 0x08,
  DeviceGRE: 0x0c,

  /** Normal memory with these inner and outer attributes. */
  normal(inner: NormalMemory, outer: NormalMemory): MairAttributeBits {
    return (outer << 4) | inner;
  },

  /** What a byte of MAIR means. */
  describe(attribute: MairAttributeBits): string {
    const [inner, outer] = [attribute & 0xf, attribute >> 4];
    if (outer === 0 && (inner & 3) === 0) return `Device-${DEVICE_NAMES[inner >> 2]}`;
    const [innerName, outerName] = [NAMES.get(inner), NAMES.get(outer)];
    if (innerName === undefined || outerName === undefined) return `unpredictable (${hex(attribute)})`;
    return `Normal, inner ${innerName}, outer ${outerName}`;
  },
} as const;

/** A value of MAIR_ELx: eight attributes, which descriptors choose from by AttrIndx. */
export class Mair {
  static readonly Empty = new Mair(0n);
  /** The register's value. */
  readonly bits: bigint;

  /** @throws RangeError if the value does not fit in 64 bits */
  constructor(bits: bigint) {
    if (BigInt.asUintN(64, bits) !== bits) throw new RangeError(`MAIR ${hex(bits)} does not fit in 64 bits`);
    this.bits = bits;
  }

  /** @throws RangeError for more than eight attributes, or one that is no byte */
  static of(...attributes: readonly MairAttributeBits[]): Mair {
    return attributes.reduce<Mair>(
      (mair, attribute, index) => mair.withAttribute(index, attribute),
      Mair.Empty,
    );
  }

  /** The value with the attribute at `index`, 0 to 7, replaced. @throws RangeError */
  withAttribute(index: number, attribute: MairAttributeBits): Mair {
    if (!Number.isInteger(index) || index < 0 || index >= ATTRIBUTES) {
      throw new RangeError(`MAIR has attributes 0 to ${ATTRIBUTES - 1}, not ${index}`);
    }
    if (!Number.isInteger(attribute) || attribute < 0 || attribute > 0xff) {
      throw new RangeError(`the MAIR attribute ${attribute} is no byte`);
    }
    const shift = BigInt(index) * ATTRIBUTE_BITS;
    return new Mair((this.bits & ~(0xffn << shift)) | (BigInt(attribute) << shift));
  }

  /** The eight attributes. */
  get attributes(): readonly MairAttributeBits[] {
    return Array.from({ length: ATTRIBUTES }, (_, index) =>
      Number((this.bits >> (BigInt(index) * ATTRIBUTE_BITS)) & 0xffn),
    );
  }

  toString(): string {
    return this.attributes
      .map((attribute, index) => `${index}: ${MairAttribute.describe(attribute)}`)
      .join('; ');
  }
}

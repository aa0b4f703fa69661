import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';

/** Descriptor bits, Arm ARM D8.3. */
export const Bit = {
  Valid: 1n << 0n,
  TableOrPage: 1n << 1n,
  /** EL0 may access; RES1 at EL2. */
  User: 1n << 6n,
  ReadOnly: 1n << 7n,
  InnerShareable: 3n << 8n,
  AF: 1n << 10n,
  DBM: 1n << 51n,
  Contiguous: 1n << 52n,
  PXN: 1n << 53n,
  /** XN at EL2. */
  UXN: 1n << 54n,
  PXNTable: 1n << 59n,
  UXNTable: 1n << 60n,
  NoUserTable: 1n << 61n,
  ReadOnlyTable: 1n << 62n,
} as const;

/** AttrIndx of {@link MAIR}. */
export const Index = { WriteBack: 0n << 2n, Device: 1n << 2n, NonCacheable: 2n << 2n } as const;
/** Normal write-back; Device nGnRE; Normal non-cacheable. */
const MAIR = 0x44_04_ffn;

/** TCR_EL1 (Arm ARM D19.2.147) beyond sizes and granules. */
export const Tcr = {
  EPD0: 1n << 7n,
  EPD1: 1n << 23n,
  TBI0: 1n << 37n,
  HA: 1n << 39n,
  HD: 1n << 40n,
  HPD0: 1n << 41n,
  E0PD0: 1n << 55n,
} as const;
/** HCR_EL2 (D19.2.48): EL2&0; EL0 belongs to it. */
export const Hcr = { TGE: 1n << 27n, E2H: 1n << 34n } as const;
/** TG0 and TG1 by the size of a page. */
const GRANULES = { 12: [0n, 2n], 14: [2n, 1n], 16: [1n, 3n] } as const;
/** TCR_EL2: RES1 bits 31 and 23, and the fields that tests set (D19.2.148). */
export const TcrEl2 = { HA: 1n << 21n, HD: 1n << 22n } as const;
const TCR_EL2_RES1 = (1n << 31n) | (1n << 23n);

export const SCTLR_WXN = 1n << 19n;
export const SCTLR_EE = 1n << 25n;
/** M, C, I and the RES1 bits of SCTLR_EL1. */
export const SCTLR = 0x30d0_198dn;

/** Where a descriptor has address bits 51:48: nowhere; 51:50 in 9:8 (FEAT_LPA2); in 15:12 (64 KiB with FEAT_LPA). */
export type AddressForm = 'plain' | 'large' | 'LPA';

/** The bits of a descriptor that hold an output address. */
export function addressBits(address: bigint, form: AddressForm): bigint {
  switch (form) {
    case 'plain':
      return address;
    case 'large':
      return (address & 0x3_ffff_ffff_ffffn) | ((address >> 50n) << 8n);
    case 'LPA':
      return (address & 0xffff_ffff_ffffn) | ((address >> 48n) << 12n);
  }
}

/** What an image's registers are, beside 48-bit EL1&0 with 4 KiB pages. EL2 with E2H has two halves as EL1&0. */
export interface TableOptions {
  readonly base?: bigint;
  readonly tableLimit?: number;
  readonly exceptionLevel?: 1 | 2 | 3;
  /** log2 of the size of a page and of a table. */
  readonly pageShift?: 12 | 14 | 16;
  readonly t0sz?: number;
  readonly t1sz?: number;
  /** Bits of physical addresses: 32, 36, 40, 42, 44, 48 or 52. */
  readonly outputBits?: number;
  /** TCR.DS: descriptors of FEAT_LPA2. */
  readonly largeDescriptors?: boolean;
  /** More bits of TCR. */
  readonly tcr?: bigint;
  readonly sctlr?: bigint;
  readonly hcrEl2?: bigint;
  readonly scrEl3?: bigint;
  readonly cpu?: string;
}

const OUTPUT_SIZES = [32, 36, 40, 42, 44, 48, 52];
/** DS in registers with two halves and with one. */
const DS = { two: 1n << 59n, one: 1n << 32n } as const;

/** Tables that are written entry by entry, without any code of the engine. */
export class HandmadeTables {
  readonly memory: PhysicalMemory;
  readonly registers: AArch64Registers;
  readonly #addresses: AddressForm;
  readonly #pageShift: number;
  readonly #t0sz: number;
  readonly #t1sz: number;
  #next: bigint;

  constructor(options: TableOptions = {}) {
    const { base = 0x4000_0000n, tableLimit = 64, exceptionLevel = 1, outputBits = 48 } = options;
    this.#t0sz = options.t0sz ?? 16;
    this.#t1sz = options.t1sz ?? 16;
    const { pageShift = 12, hcrEl2 = 0n } = options;
    this.#pageShift = pageShift;
    const table = 1n << BigInt(pageShift);
    this.memory = PhysicalMemory.allocate(base, tableLimit * Number(table));
    this.#next = base + 2n * table;
    const size = BigInt(OUTPUT_SIZES.indexOf(outputBits));
    const [tg0, tg1] = GRANULES[pageShift];
    const hasHalves = exceptionLevel === 1 || (exceptionLevel === 2 && (hcrEl2 & Hcr.E2H) !== 0n);
    const isLarge = options.largeDescriptors === true;
    this.#addresses = isLarge ? 'large' : pageShift === 16 && outputBits === 52 ? 'LPA' : 'plain';
    const ds = isLarge ? DS[hasHalves ? 'two' : 'one'] : 0n;
    const tcr = hasHalves
      ? (BigInt(this.#t1sz) << 16n) | (tg1 << 30n) | (size << 32n)
      : TCR_EL2_RES1 | (size << 16n);
    this.registers = {
      architecture: 'aarch64',
      exceptionLevel,
      ttbr0: base,
      ttbr1: hasHalves ? base + table : 0n,
      tcr: tcr | ds | (tg0 << 14n) | BigInt(this.#t0sz) | (options.tcr ?? 0n),
      mair: MAIR,
      sctlr: SCTLR | (options.sctlr ?? 0n),
      hcrEl2,
      ...(options.scrEl3 !== undefined && { scrEl3: options.scrEl3 }),
      ...(options.cpu !== undefined && { cpu: options.cpu }),
    };
  }

  /** Writes a leaf at `level` (of 4 KiB pages 3: 4 KiB, 2: 2 MiB, 1: 1 GiB); tables on the way are made with `parents`. */
  map(address: bigint, physical: bigint, attributes: bigint, level = 3, parents = 0n): this {
    const kind = level === 3 ? Bit.Valid | Bit.TableOrPage : Bit.Valid;
    const output = addressBits(physical, this.#addresses);
    return this.set(this.entryAddress(address, level, parents), output | attributes | kind);
  }

  /** Physical address of the entry for `address` at `level`; tables on the way are made as needed. */
  entryAddress(address: bigint, level: number, parents = 0n): bigint {
    const isUpper = (address >> 55n) & 1n;
    const txsz = isUpper ? this.#t1sz : this.#t0sz;
    const untagged = address & ((1n << BigInt(64 - txsz)) - 1n);
    let table = isUpper ? this.registers.ttbr1 : this.registers.ttbr0;
    const indexBits = this.#pageShift - 3;
    for (let at = 4 - Math.ceil((64 - txsz - this.#pageShift) / indexBits); at < level; at++) {
      const place = this.#entryAt(table, untagged, at);
      if (this.get(place) === 0n) {
        this.set(place, this.#next | Bit.Valid | Bit.TableOrPage | parents);
        this.#next += 1n << BigInt(this.#pageShift);
      }
      table = this.get(place) & 0x0000_ffff_ffff_f000n;
    }
    return this.#entryAt(table, untagged, level);
  }

  #entryAt(table: bigint, address: bigint, level: number): bigint {
    const indexBits = this.#pageShift - 3;
    const index = address >> BigInt(this.#pageShift + indexBits * (3 - level));
    return table + (index & ((1n << BigInt(indexBits)) - 1n)) * 8n;
  }

  get(place: bigint): bigint {
    const value = this.memory.readEntry(place);
    if (value === undefined) throw new RangeError(`no table memory at 0x${place.toString(16)}`);
    return value;
  }

  set(place: bigint, value: bigint): this {
    if (!this.memory.writeEntry(place, value)) {
      throw new RangeError(`no table memory at 0x${place.toString(16)}`);
    }
    return this;
  }
}

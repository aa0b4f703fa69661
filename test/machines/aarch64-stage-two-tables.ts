import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { type AddressForm, addressBits, type HandmadeTables } from './aarch64-tables.ts';

/** Bits of leaves of stage 2, Arm ARM D8.3. */
export const Two = {
  Read: 1n << 6n,
  Write: 1n << 7n,
  InnerShareable: 3n << 8n,
  AF: 1n << 10n,
  /** XN[1:0] = 0b10: nobody executes. */
  XN: 1n << 54n,
  WriteBack: 0xfn << 2n,
  NonCacheable: 0x5n << 2n,
  Device: 0x1n << 2n,
} as const;
/** Everything is allowed, write-back. */
export const ALL_OF_TWO = Two.Read | Two.Write | Two.InnerShareable | Two.AF | Two.WriteBack;

/** HCR_EL2 (D19.2.48). */
export const HCR_VM = 1n;
export const HCR_PTW = 1n << 2n;
export const HCR_DC = 1n << 12n;

const VTCR_DS = 1n << 32n;
const VTCR_SL2 = 1n << 33n;
const PS_48 = 5n;
const PS_52 = 6n;

interface StageTwoOptions {
  readonly base?: bigint;
  readonly pageShift?: 12 | 14 | 16;
  readonly startLevel?: number;
  readonly inputBits?: number;
  readonly hcrEl2?: bigint;
  /** VTCR_EL2.DS: descriptors of FEAT_LPA2, and physical addresses of 52 bits. */
  readonly largeDescriptors?: boolean;
  /** Physical addresses of 52 bits with pages of 64 KiB. */
  readonly large?: boolean;
  /** Stage 1 is off. */
  readonly alone?: boolean;
}

/** Stage 2 below an image of stage 1, written entry by entry: roots may be concatenated. */
export class StageTwoTables {
  readonly memory: PhysicalMemory;
  readonly registers: AArch64Registers;
  readonly #options: Required<Pick<StageTwoOptions, 'base' | 'pageShift' | 'startLevel' | 'inputBits'>>;
  readonly #addresses: AddressForm;
  #next: bigint;

  constructor({ memory, registers }: HandmadeTables, options: StageTwoOptions = {}) {
    const { base = 0x5000_0000n, pageShift = 12, startLevel = 1, inputBits = 39 } = options;
    this.#options = { base, pageShift, startLevel, inputBits };
    this.memory = memory;
    memory.addRange(base, new ArrayBuffer(0x4_0000 + 32 * 2 ** pageShift));
    this.#next = base + 0x4_0000n;
    const isLarge = options.largeDescriptors === true;
    this.#addresses = isLarge ? 'large' : options.large === true ? 'LPA' : 'plain';
    const sl0 = startLevel < 0 ? 0n : BigInt((pageShift === 12 ? 2 : 3) - startLevel);
    const large = isLarge ? VTCR_DS | (startLevel < 0 ? VTCR_SL2 : 0n) : 0n;
    const tg0 = { 12: 0n, 14: 2n, 16: 1n }[pageShift];
    const physicalSize = this.#addresses === 'plain' ? PS_48 : PS_52;
    this.registers = {
      ...registers,
      sctlr: options.alone === true ? registers.sctlr & ~1n : registers.sctlr,
      hcrEl2: options.hcrEl2 ?? HCR_VM,
      vtcr: (1n << 31n) | large | (physicalSize << 16n) | (tg0 << 14n) | (sl0 << 6n) | BigInt(64 - inputBits),
      vttbr: base,
    };
  }

  map(address: bigint, physical: bigint, attributes: bigint, level = 3): this {
    const { base, pageShift, startLevel, inputBits } = this.#options;
    const indexBits = pageShift - 3;
    let table = base;
    let mask = (1n << BigInt(inputBits)) - 1n;
    for (let at = startLevel; ; at++) {
      const shift = BigInt(pageShift + indexBits * (3 - at));
      const place = table + ((address & mask) >> shift) * 8n;
      mask = (1n << shift) - 1n;
      if (at === level) {
        const output = addressBits(physical, this.#addresses);
        this.memory.writeEntry(place, output | attributes | (level === 3 ? 3n : 1n));
        return this;
      }
      if ((this.memory.readEntry(place) ?? 0n) === 0n) {
        this.memory.writeEntry(place, this.#next | 3n);
        this.#next += 1n << BigInt(pageShift);
      }
      table = (this.memory.readEntry(place) ?? 0n) & 0x0000_ffff_ffff_f000n;
    }
  }
}

import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { DEFAULT_PAT, type X64Registers } from '../../src/registers.ts';

/** Entry bits, SDM Vol. 3A §4.5.4. */
export const Bit = {
  P: 1n << 0n,
  W: 1n << 1n,
  U: 1n << 2n,
  A: 1n << 5n,
  D: 1n << 6n,
  PS: 1n << 7n,
  NX: 1n << 63n,
} as const;

/** The protection key of a leaf (§4.6.2). */
export const key = (number: bigint) => number << 59n;

/** Control bits that tests switch, §2.5. */
export const Control = {
  WP: 1n << 16n,
  LA57: 1n << 12n,
  PCIDE: 1n << 17n,
  SMEP: 1n << 20n,
  SMAP: 1n << 21n,
  PKE: 1n << 22n,
} as const;
export const NXE = 1n << 11n;

const CR0 = 0x8000_0031n;
const CR4_PAE = 1n << 5n;
const EFER_LONG_MODE = 0x500n;

/** What an image's registers are, beside 4-level paging with NX and write protection. */
export interface TableOptions {
  readonly base?: bigint;
  readonly tableLimit?: number;
  readonly cr4?: bigint;
  readonly writeProtect?: boolean;
  readonly nxe?: boolean;
  readonly physicalAddressBits?: number;
}

/** Tables that are written entry by entry, without any code of the engine. */
export class HandmadeTables {
  readonly memory: PhysicalMemory;
  readonly registers: X64Registers;
  readonly root: bigint;
  readonly #levels: number;
  #next: bigint;

  constructor(options: TableOptions = {}) {
    const { base = 0x10_0000n, tableLimit = 64, cr4 = 0n, writeProtect = true, nxe = true } = options;
    this.memory = PhysicalMemory.allocate(base, tableLimit * 4096);
    this.root = base;
    this.#next = base + 0x1000n;
    this.#levels = (cr4 & Control.LA57) !== 0n ? 5 : 4;
    this.registers = {
      architecture: 'x64',
      cr0: CR0 | (writeProtect ? Control.WP : 0n),
      cr3: base,
      cr4: CR4_PAE | cr4,
      efer: EFER_LONG_MODE | (nxe ? NXE : 0n),
      pat: DEFAULT_PAT,
      physicalAddressBits: options.physicalAddressBits ?? 40,
    };
  }

  /** Writes a leaf at `level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB); tables on the way are made with `parents`. */
  map(address: bigint, physical: bigint, flags: bigint, level = 1, parents = Bit.P | Bit.W | Bit.U): this {
    this.set(this.entryAddress(address, level, parents), physical | flags | (level > 1 ? Bit.PS : 0n));
    return this;
  }

  /** Physical address of the entry for `address` at `level`; tables on the way are made as needed. */
  entryAddress(address: bigint, level: number, parents = Bit.P | Bit.W | Bit.U): bigint {
    let table = this.root;
    for (let at = this.#levels; at > level; at--) {
      const place = entryAt(table, address, at);
      if (this.get(place) === 0n) {
        this.set(place, this.#next | parents);
        this.#next += 0x1000n;
      }
      table = this.get(place) & 0x000f_ffff_ffff_f000n;
    }
    return entryAt(table, address, level);
  }

  get(place: bigint): bigint {
    const value = this.memory.readEntry(place);
    if (value === undefined) throw new RangeError(`no table memory at 0x${place.toString(16)}`);
    return value;
  }

  set(place: bigint, value: bigint): this {
    if (!this.memory.writeEntry(place, value))
      throw new RangeError(`no table memory at 0x${place.toString(16)}`);
    return this;
  }
}

function entryAt(table: bigint, address: bigint, level: number): bigint {
  return table + ((address >> BigInt(3 + 9 * level)) & 511n) * 8n;
}

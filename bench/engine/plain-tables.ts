import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { checkEqual } from '../workload.ts';

const PAGE = 4096;
const ENTRIES = 512;

/** The bits of entries beside their address. */
export interface EntryBits {
  readonly table: bigint;
  readonly page: bigint;
  readonly large: bigint;
}

/**
 * Identity-mapping tables built the slowest and plainest way, to say what the bytes of the engine's tables must be:
 * 64-bit entries in one array, one walk from the root for each call, frames taken in ascending order.
 */
export class PlainTables {
  readonly #base: bigint;
  readonly #levels: number;
  readonly #entries: BigUint64Array;
  #used = 1;

  /** @param base physical address of the root; the other tables follow it */
  constructor(base: number, frames: number, levels: number) {
    this.#base = BigInt(base);
    this.#levels = levels;
    this.#entries = new BigUint64Array(frames * ENTRIES);
  }

  /** Tables in use, the root included. */
  get used(): number {
    return this.#used;
  }

  /** What Patina's tables begin with: the self-map, and the path to a page that is not present. */
  reserve({ table }: EntryBits): void {
    this.#set(511, this.#base | table);
    let entry = 510;
    for (let level = this.#levels - 1; level >= 1; level--) entry = this.#create(entry, table) * ENTRIES;
    this.#set(entry, table & ~1n);
  }

  /** Maps the pages from `first` up to `end`, with large pages of up to 1 GiB where they fit. */
  map(first: number, end: number, bits: EntryBits): void {
    this.#mapTable(0, this.#levels, 0, first, end, bits);
  }

  /** Changes the last-level entries of the pages from `first` up to `end`, whose tables exist. */
  change(first: number, end: number, changed: (entry: bigint) => bigint): void {
    for (let page = first; page < end; page++) {
      let table = 0;
      for (let level = this.#levels; level > 1; level--) {
        table = this.#child(table * ENTRIES + indexOf(page, level));
      }
      const entry = table * ENTRIES + indexOf(page, 1);
      this.#set(entry, changed(this.#entries[entry] as bigint));
    }
  }

  /** @throws Error that names the first entry in which memory differs */
  checkMemory(memory: PhysicalMemory, at: number): void {
    const words = memory.rangeHolding(at / PAGE)?.words;
    const range = memory.rangeHolding(at / PAGE);
    if (words === undefined || range === undefined) throw new Error('wrong result: no memory at the tables');
    const from = words.byteOffset + at - range.firstFrame * PAGE;
    const length = this.#used * PAGE;
    const actual = Buffer.from(words.buffer, from, length);
    if (actual.equals(Buffer.from(this.#entries.buffer, 0, length))) return;
    const found = new BigUint64Array(words.buffer, from, length / 8);
    const index = found.findIndex((entry, place) => entry !== this.#entries[place]);
    const [is, expected] = [found, this.#entries].map((entries) => (entries[index] as bigint).toString(16));
    const [table, entry] = [Math.floor(index / ENTRIES), index % ENTRIES];
    throw new Error(`wrong result: entry ${entry} of table ${table} is ${is}, expected ${expected}`);
  }

  /** {@link checkMemory}, and that the engine has taken as many frames. */
  check(memory: PhysicalMemory, at: number, usedFrames: number): void {
    checkEqual('number of tables', usedFrames, this.#used);
    this.checkMemory(memory, at);
  }

  #mapTable(
    table: number,
    level: number,
    tablePage: number,
    first: number,
    end: number,
    bits: EntryBits,
  ): void {
    const pages = pagesOf(level);
    const lastPage = Math.min(end, tablePage + ENTRIES * pages) - 1;
    for (let index = indexOf(first, level); index <= indexOf(lastPage, level); index++) {
      const entry = table * ENTRIES + index;
      const page = tablePage + index * pages;
      const covered = first <= page && page + pages <= end;
      if (level === 1 || (level <= 3 && covered)) {
        this.#set(entry, BigInt(page * PAGE) | (level === 1 ? bits.page : bits.large));
      } else {
        const child = this.#entries[entry] === 0n ? this.#create(entry, bits.table) : this.#child(entry);
        this.#mapTable(child, level - 1, page, Math.max(first, page), Math.min(end, page + pages), bits);
      }
    }
  }

  #create(entry: number, bits: bigint): number {
    const table = this.#used++;
    this.#set(entry, (this.#base + BigInt(table * PAGE)) | bits);
    return table;
  }

  #child(entry: number): number {
    return Number((((this.#entries[entry] as bigint) & 0xf_ffff_ffff_f000n) - this.#base) >> 12n);
  }

  #set(entry: number, value: bigint): void {
    this.#entries[entry] = value;
  }
}

function pagesOf(level: number): number {
  return ENTRIES ** (level - 1);
}

function indexOf(page: number, level: number): number {
  return Math.floor(page / pagesOf(level)) % ENTRIES;
}

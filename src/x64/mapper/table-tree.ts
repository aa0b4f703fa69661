import { frameOfEntry, WORDS_PER_FRAME } from '../../addresses.ts';
import { PageWalk } from '../../memory/page-walk.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import { TableMemory } from '../../memory/table-memory.ts';
import { EntryHigh, EntryLow } from '../entry-bits.ts';
import { LeafTables } from './leaf-tables.ts';

/** What {@link TableTree.find} came to. */
export const Find = {
  /** The entry at the wanted level. */
  Entry: 0,
  /** A parent entry without P. */
  NotPresent: 1,
  /** A parent entry with PS. */
  HugePage: 2,
} as const;
export type Find = (typeof Find)[keyof typeof Find];

/** An entry leads to a table if of these bits only P is set. */
const TABLE_MASK = EntryLow.Present | EntryLow.PageSize;
/** Pages under one PML4 entry; the rest of a page number indexes PML4 and PML5. */
const PAGES_PER_PML4E = 2 ** 27;
const ENTRIES = 512;

/**
 * 4- or 5-level tables in memory, addressed by numbers only: the one place of the mappers that walks. Results
 * of the last walk stand in fields, so that a walk creates no object.
 */
export class TableTree {
  readonly rootFrame: number;
  readonly levels: 4 | 5;
  /** Where the mapper finds a table: this many frames behind its physical frame. */
  readonly frameOffset: number;
  readonly #tables: TableMemory;
  /** The array of words in which the last table was that {@link isEmpty} looked at, and its entries. */
  #viewedWords: Uint32Array | undefined;
  #viewedEntries: BigUint64Array | undefined;
  /** Finds the entries of 4 KiB pages. */
  readonly leaves: LeafTables;
  /** Word index of the entry that the last {@link find} or {@link entryAt} ended on, in {@link words}. */
  index = 0;
  /** Level of that entry. */
  level = 0;

  constructor(memory: PhysicalMemory, rootFrame: number, levels: 4 | 5, frameOffset = 0) {
    this.#tables = new TableMemory(memory);
    this.rootFrame = rootFrame;
    this.levels = levels;
    this.frameOffset = frameOffset;
    const place = { tables: this.#tables, rootFrame, levels, frameOffset };
    const walk = new PageWalk({
      ...place,
      upperMask: TABLE_MASK,
      upperValue: EntryLow.Present,
      tableMask: TABLE_MASK,
      tableValue: EntryLow.Present,
      addressHigh: EntryHigh.Address,
    });
    this.leaves = new LeafTables({ ...place, walk });
  }

  /** Words in which {@link index} counts. */
  get words(): Uint32Array {
    return this.#tables.words;
  }

  /**
   * Index in {@link words} of the first word of the table in a physical frame.
   * @throws PageTableError TableOutsideMemory
   */
  locate(frame: number): number {
    return this.#tables.locate(frame + this.frameOffset);
  }

  /** Walks from the root to the entry of `page` (a 4 KiB page number) in the table of `level`. */
  find(page: number, level: number): Find {
    const high = Math.floor(page / PAGES_PER_PML4E);
    const low = (page - high * PAGES_PER_PML4E) | 0;
    const tables = this.#tables;
    const offset = this.frameOffset;
    let table = tables.locate(this.rootFrame + offset);
    for (let at: number = this.levels; at > level; at--) {
      const index = table + indexAt(high, low, at) * 2;
      const entry = tables.words[index] as number;
      if ((entry & (EntryLow.Present | EntryLow.PageSize)) !== EntryLow.Present) {
        this.index = index;
        this.level = at;
        return (entry & EntryLow.Present) === 0 ? Find.NotPresent : Find.HugePage;
      }
      table = tables.locate(frameOfEntry(entry, tables.words[index + 1] as number) + offset);
    }
    this.index = table + indexAt(high, low, level) * 2;
    this.level = level;
    return Find.Entry;
  }

  /** Moves {@link index} to the entry of `page` in the table of `level` that lies in `frame`. */
  entryAt(frame: number, page: number, level: number): void {
    const high = Math.floor(page / PAGES_PER_PML4E);
    const low = (page - high * PAGES_PER_PML4E) | 0;
    this.index = this.locate(frame) + indexAt(high, low, level) * 2;
    this.level = level;
  }

  /** Whether all entries of the table in a frame are zero. */
  isEmpty(frame: number): boolean {
    const start = this.locate(frame);
    const { words } = this;
    if (words !== this.#viewedWords) {
      this.#viewedWords = words;
      this.#viewedEntries = entriesOf(words);
    }
    const entries = this.#viewedEntries;
    return entries === undefined ? areZeroWords(words, start) : areZeroEntries(entries, start >> 1);
  }

  /** Clears the table in a frame. */
  zero(frame: number): void {
    const start = this.locate(frame);
    this.words.fill(0, start, start + WORDS_PER_FRAME);
  }
}

function indexAt(high: number, low: number, level: number): number {
  return (level > 3 ? high >>> (9 * (level - 4)) : low >>> (9 * (level - 1))) & 511;
}

/** The words as 64-bit entries, or undefined if they do not begin at a multiple of 8 bytes. */
function entriesOf(words: Uint32Array): BigUint64Array | undefined {
  if (words.byteOffset % 8 !== 0) return undefined;
  return new BigUint64Array(words.buffer, words.byteOffset, words.length / 2);
}

/**
 * Whether the 512 entries from `start`, a multiple of 512, are zero. Freeing tables is little else. Bigints that are
 * only combined and compared, within 64 bits, V8 keeps in registers: this takes a third of {@link areZeroWords}.
 */
export function areZeroEntries(entries: BigUint64Array, start: number): boolean {
  const end = (start + ENTRIES) | 0;
  for (let at = start | 0; at < end; at = (at + 4) | 0) {
    const used =
      (entries[at] as bigint) |
      (entries[at | 1] as bigint) |
      (entries[at | 2] as bigint) |
      (entries[at | 3] as bigint);
    if (BigInt.asUintN(64, used) !== 0n) return false;
  }
  return true;
}

/** Whether the 1024 words from `start` are zero. */
export function areZeroWords(words: Uint32Array, start: number): boolean {
  for (let at = start; at < start + WORDS_PER_FRAME; at++) if (words[at] !== 0) return false;
  return true;
}

const PAGES_PER_ENTRY = [0, 1, 2 ** 9, 2 ** 18, 2 ** 27, 2 ** 36, 2 ** 45];

/** Number of 4 KiB pages that one entry of a table of the given level covers; level 6 stands for a whole PML5. */
export function pagesPerEntry(level: number): number {
  return PAGES_PER_ENTRY[level] as number;
}

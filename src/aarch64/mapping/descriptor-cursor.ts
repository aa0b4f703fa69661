import { addressOfPage, wordsToBigInt } from '../../addresses.ts';
import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import { type AttributeKind, HIGH_MASK, HIGH_SHIFT, LOW_MASK, packLow } from './attribute-words.ts';
import type { AttributeBits } from './attributes.ts';
import type { Descriptor } from './descriptor.ts';
import { MemoryRegion } from './memory-region.ts';
import { isTable, isValidLeaf, LAST_LEVEL, type TableGeometry } from './table-geometry.ts';

const NO_WORDS = new Uint32Array(2);

/** Copies of imported constants, which V8 would read anew in every visit. */
const LAST: number = LAST_LEVEL;
const FLAGS: number = LOW_MASK;
const HIGH_FLAGS: number = HIGH_MASK;
const HIGH_FLAGS_SHIFT: number = HIGH_SHIFT;
const VALID: number = DescriptorLow.Valid;
const ADDRESS_HIGH: number = DescriptorHigh.Address;

/**
 * The one descriptor object of a walk. The walk enters a table, or an entry above the last level, and then sets the
 * fields {@link at}, {@link lowWord} and {@link highWord} before each visit; nothing else, because callbacks that V8
 * compiles into the walk take no longer than these stores.
 */
export class DescriptorCursor<K extends AttributeKind = AttributeKind> implements Descriptor<K> {
  /** Where the descriptor is. */
  words: Uint32Array = NO_WORDS;
  at = 0;
  /** The descriptor as two signed words, which V8 keeps in fields without boxing them. */
  lowWord = 0;
  highWord = 0;
  level = 0;
  /** Pages that are visited. */
  pageCount = 0;
  /** Whether the walk is in the callback: what is thrown now comes from there. */
  visiting = false;
  /** Number of the page that word 0 would map, and pages from one entry to the next. */
  #origin = 0;
  #step = 0;
  readonly #firstPage: number;
  readonly #kind: K;
  readonly #geometry: TableGeometry;

  /** @param firstPage number of the first page that the tables translate */
  constructor(kind: K, firstPage: number, geometry: TableGeometry) {
    this.#geometry = geometry;
    this.#kind = kind;
    this.#firstPage = firstPage;
  }

  /** Begins with page descriptors; the one at word `at` maps `page`, relative to the first page. */
  enterPages(words: Uint32Array, at: number, page: number): void {
    const { granulePages } = this.#geometry;
    this.words = words;
    this.level = LAST;
    this.pageCount = granulePages;
    this.#step = granulePages;
    this.#origin = this.#firstPage + page - (at >> 1) * granulePages;
  }

  /** Goes to one descriptor, of which so many pages from `page` on are visited. */
  enterEntry(words: Uint32Array, at: number, level: number, page: number, pageCount: number): void {
    this.words = words;
    this.at = at;
    this.lowWord = (words[at] as number) | 0;
    this.highWord = (words[at + 1] as number) | 0;
    this.level = level;
    this.pageCount = pageCount;
    this.#step = 0;
    this.#origin = this.#firstPage + page;
  }

  /** Words that are in no table, to be described as a descriptor of a level. */
  describe(low: number, high: number, level: number): void {
    this.lowWord = low;
    this.highWord = high;
    this.level = level;
  }

  get startPage(): number {
    return this.#origin + (this.at >> 1) * this.#step;
  }

  /** First page that is visited, relative to the first page that the tables translate. */
  get page(): number {
    return this.startPage - this.#firstPage;
  }

  get region(): MemoryRegion {
    return MemoryRegion.ofPages(this.startPage, this.startPage + this.pageCount);
  }

  get low(): number {
    return this.lowWord >>> 0;
  }

  get high(): number {
    return this.highWord >>> 0;
  }

  get bits(): bigint {
    return wordsToBigInt(this.lowWord, this.highWord);
  }

  get isValid(): boolean {
    return !this.isTable && isValidLeaf(this.lowWord, this.level);
  }

  get isTable(): boolean {
    return isTable(this.lowWord, this.level);
  }

  get flags(): AttributeBits<K> {
    const low = this.lowWord;
    const isBlock = this.level < LAST && (low & VALID) !== 0;
    const packed = isBlock ? packLow(low) : low & FLAGS;
    const packedHigh = (this.highWord & HIGH_FLAGS) >>> HIGH_FLAGS_SHIFT;
    return (packed | packedHigh | this.#kind) as AttributeBits<K>;
  }

  get outputFrame(): number {
    const { lowWord: low, highWord: high } = this;
    if (this.level < LAST && isValidLeaf(low, this.level)) {
      return this.#geometry.leafFrameOf(low, high, this.level);
    }
    return (high & ADDRESS_HIGH) * 0x10_0000 + (low >>> 12);
  }

  get outputAddress(): bigint {
    return addressOfPage(this.outputFrame);
  }
}

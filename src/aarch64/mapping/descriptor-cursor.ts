import { addressOfPage, wordsToBigInt } from '../../addresses.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import { type AttributeKind, LOW_MASK, packHigh, packLow } from './attribute-words.ts';
import type { AttributeBits } from './attributes.ts';
import type { Descriptor } from './descriptor.ts';
import { MemoryRegion } from './memory-region.ts';
import { frameOf, isTable, isValidLeaf, LAST_LEVEL, type TableGeometry } from './table-geometry.ts';

/** Copies of imported constants, which V8 would read anew in every visit. */
const LAST: number = LAST_LEVEL;
const FLAGS: number = LOW_MASK;
const VALID: number = DescriptorLow.Valid;

/** The one descriptor object of a walk, which sets the fields before each visit. */
export class DescriptorCursor<K extends AttributeKind = AttributeKind> implements Descriptor<K> {
  /** The descriptor as two signed words, which V8 keeps in fields without boxing them. */
  lowWord = 0;
  highWord = 0;
  level = 0;
  /** First page that is visited, relative to the first page that the tables translate, and how many. */
  page = 0;
  pageCount = 0;
  /** Whether the walk is in the callback: what is thrown now comes from there. */
  visiting = false;
  readonly #firstPage: number;
  readonly #kind: K;
  readonly #geometry: TableGeometry;

  constructor(kind: K, firstPage: number, geometry: TableGeometry) {
    this.#geometry = geometry;
    this.#kind = kind;
    this.#firstPage = firstPage;
  }

  get startPage(): number {
    return this.#firstPage + this.page;
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
    return (packed | packHigh(this.highWord) | this.#kind) as AttributeBits<K>;
  }

  get outputFrame(): number {
    const { lowWord: low, highWord: high } = this;
    if (this.level === LAST) return frameOf(low, high);
    return isValidLeaf(low, this.level)
      ? this.#geometry.leafFrameOf(low, high, this.level)
      : frameOf(low, high);
  }

  get outputAddress(): bigint {
    return addressOfPage(this.outputFrame);
  }
}

import { addressOfPage, wordsToBigInt } from '../../addresses.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import { type AttributeKind, LOW_MASK, NO_TRANSLATION, packHigh, packLow } from './attribute-words.ts';
import type { AttributeBits } from './attributes.ts';
import type { Descriptor } from './descriptor.ts';
import { MemoryRegion } from './memory-region.ts';
import { frameOf, isTable, isValidLeaf, LAST_LEVEL, leafFrameOf, WORDS } from './table-geometry.ts';

/** The one descriptor object of a walk, which sets the fields before each visit. */
export class DescriptorCursor<K extends AttributeKind = AttributeKind> implements Descriptor<K> {
  words: Uint32Array = new Uint32Array(WORDS);
  /** Index in `words` of the descriptor. */
  at = 0;
  level = 0;
  /** First page that is visited, relative to the first page that the tables translate, and how many. */
  page = 0;
  pageCount = 0;
  /** Whether the walk is in the callback: what is thrown now comes from there. */
  visiting = false;
  readonly #firstPage: number;
  readonly #kind: K;

  constructor(kind: K, firstPage: number) {
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
    return this.words[this.at] as number;
  }

  get high(): number {
    return this.words[this.at + 1] as number;
  }

  get bits(): bigint {
    return wordsToBigInt(this.low, this.high);
  }

  get isValid(): boolean {
    return !this.isTable && isValidLeaf(this.low, this.level);
  }

  get isTable(): boolean {
    return isTable(this.low, this.level);
  }

  get flags(): AttributeBits<K> {
    const low = this.words[this.at] as number;
    const high = this.words[this.at + 1] as number;
    const isBlock = this.level < LAST_LEVEL && (low & DescriptorLow.Valid) !== 0;
    const nT = isBlock ? packLow(low) & NO_TRANSLATION : 0;
    return ((low & LOW_MASK) | packHigh(high) | nT | this.#kind) as AttributeBits<K>;
  }

  get outputFrame(): number {
    const low = this.words[this.at] as number;
    const high = this.words[this.at + 1] as number;
    return isValidLeaf(low, this.level) ? leafFrameOf(low, high, this.level) : frameOf(low, high);
  }

  get outputAddress(): bigint {
    return addressOfPage(this.outputFrame);
  }
}

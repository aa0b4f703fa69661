import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import { CONTIGUOUS, highWordOf, LOW_MASK, lowWordOf } from './attribute-words.ts';
import { type ConstraintBits, Constraints } from './constraints.ts';
import { addressHigh, addressLow, isValidLeaf, LAST_LEVEL, type TableGeometry } from './table-geometry.ts';

/** What is to be mapped everywhere in a range. */
export class LeafTemplate {
  /** Attributes in a low word; for a block: nT included. */
  readonly low: number;
  readonly high: number;
  /** Low word of a page, without the address. */
  readonly pageLow: number;
  readonly valid: boolean;
  /** Whether output addresses are multiples of the granule; if not they are cut, and no block can map them. */
  readonly exact: boolean;
  readonly blocks: boolean;
  /** Whether runs of entries get the contiguous bit. */
  readonly hint: boolean;
  /** High-word bits in which a leaf may differ and still be what is asked for. */
  readonly ignoredHigh: number;

  /** @param managed whether the engine sets and clears the contiguous bit */
  constructor(packed: number, constraints: ConstraintBits, managed: boolean, exact = true) {
    const attributes = managed ? packed & ~CONTIGUOUS : packed;
    this.low = lowWordOf(attributes);
    this.high = highWordOf(attributes);
    this.valid = (this.low & DescriptorLow.Valid) !== 0;
    this.pageLow = this.valid ? (this.low & LOW_MASK) | DescriptorLow.TableOrPage : this.low;
    this.exact = exact;
    this.blocks = exact && (constraints & Constraints.NoBlockMappings) === 0;
    this.hint = managed && this.valid && (constraints & Constraints.NoContiguousHint) === 0;
    this.ignoredHigh = managed ? DescriptorHigh.Contiguous : 0;
  }

  /** Low word, signed, of an entry at a level that maps to a frame, or that is invalid. */
  lowFor(level: number, frame: number): number {
    const low = level === LAST_LEVEL ? this.pageLow : this.low;
    return this.valid ? low | addressLow(frame) : low;
  }

  /** Its high word, signed. */
  highFor(frame: number): number {
    return this.valid ? this.high | addressHigh(frame) : this.high;
  }

  /** Whether a block, or an invalid entry, has these attributes and gives `page` the output `frame`. */
  isMappedBy(
    geometry: TableGeometry,
    low: number,
    high: number,
    level: number,
    page: number,
    frame: number,
  ): boolean {
    const nT = isValidLeaf(low, level) ? DescriptorLow.NoTranslation : 0;
    return (
      this.exact &&
      ((low ^ this.low) & (LOW_MASK | nT)) === 0 &&
      ((high ^ this.high) & ~DescriptorHigh.Address & ~this.ignoredHigh) === 0 &&
      geometry.leafFrameOf(low, high, level) === frame - (page % geometry.pagesPerEntry(level))
    );
  }
}

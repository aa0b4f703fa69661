import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import { highWordOf, LOW_MASK, lowWordOf } from './attribute-words.ts';
import { knownBits } from './attributes.ts';
import type { TranslationRegime } from './regime.ts';
import { LAST_LEVEL, type TableGeometry } from './table-geometry.ts';

/** Copies of imported constants, which V8 would read anew in every check. */
const LAST: number = LAST_LEVEL;
const FLAGS: number = LOW_MASK;
const ADDRESS_LOW: number = DescriptorLow.Address | 0;
const ADDRESS_HIGH: number = DescriptorHigh.Address;

/**
 * Which changes of a valid leaf in use need no break-before-make (Arm ARM D8.16.1). Like the original it is stricter
 * than the architecture: what the regime's `liveSettable` and `liveClearable` do not name is refused.
 */
export class LiveRules {
  /** Bits that may not be set, and bits that may not be cleared, in low and high word. */
  readonly #notSetLow: number;
  readonly #notSetHigh: number;
  readonly #notClearedLow: number;
  readonly #notClearedHigh: number;
  readonly #geometry: TableGeometry;

  constructor({ attributeKind, liveSettable, liveClearable }: TranslationRegime, geometry: TableGeometry) {
    const known = knownBits(attributeKind);
    this.#geometry = geometry;
    this.#notSetLow = lowWordOf(known & ~liveSettable);
    this.#notSetHigh = highWordOf(known & ~liveSettable);
    this.#notClearedLow = lowWordOf(known & ~liveClearable);
    this.#notClearedHigh = highWordOf(known & ~liveClearable);
  }

  /** Whether every valid page may have these bits set and those cleared, and nothing else, by a single store. */
  permitsAlways(setLow: number, setHigh: number, clearLow: number, clearHigh: number): boolean {
    return (
      (setLow & this.#notSetLow) === 0 &&
      (setHigh & this.#notSetHigh) === 0 &&
      (clearLow & this.#notClearedLow) === 0 &&
      (clearHigh & this.#notClearedHigh) === 0
    );
  }

  /** Whether a valid leaf may become another one by a single store. */
  permits(level: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    // Bit 16 is nT in a block and address in a page.
    const mask = level < LAST ? -1 : FLAGS;
    return (
      (newLow & ~low & mask & this.#notSetLow) === 0 &&
      (low & ~newLow & mask & this.#notClearedLow) === 0 &&
      (newHigh & ~high & this.#notSetHigh) === 0 &&
      (high & ~newHigh & this.#notClearedHigh) === 0 &&
      ((((low ^ newLow) & ADDRESS_LOW) | ((high ^ newHigh) & ADDRESS_HIGH)) === 0 ||
        this.#geometry.leafFrameOf(low, high, level) === this.#geometry.leafFrameOf(newLow, newHigh, level))
    );
  }
}

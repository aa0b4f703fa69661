import { type Address, addressOfPage, FRAME_SIZE, hex, toBigInt, wordsToBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import {
  type AttributeKind,
  CONTIGUOUS,
  HIGH_MASK,
  highWordOf,
  LOW_MASK,
  lowWordOf,
  NO_TRANSLATION,
  packHigh,
  packLow,
} from './attribute-words.ts';
import { type AttributeBits, checkAttributes, knownBits } from './attributes.ts';
import { MemoryRegion } from './memory-region.ts';
import type { TranslationRegime } from './regime.ts';
import {
  addressHigh,
  addressLow,
  FIRST_BLOCK_LEVEL,
  frameOf,
  isValidLeaf,
  LAST_LEVEL,
  leafFrameOf,
  pagesPerEntry,
  TYPE_MASK,
} from './table-geometry.ts';

/** Where a {@link Descriptor} looks. Set by the walk, which uses one object for all descriptors. */
export interface DescriptorPlace {
  words: Uint32Array;
  at: number;
  level: number;
  /** First page that was visited, and the one behind the last: a part of what the descriptor covers, or all. */
  page: number;
  end: number;
}

/**
 * A block, page or invalid descriptor that a walk has come to. It is valid during the callback only: the walk moves
 * the same object on to the next descriptor.
 */
export class Descriptor<K extends AttributeKind = AttributeKind> {
  protected readonly place: DescriptorPlace;
  readonly #firstPage: number;
  readonly #kind: K;

  constructor(place: DescriptorPlace, kind: K, firstPage: number) {
    this.place = place;
    this.#kind = kind;
    this.#firstPage = firstPage;
  }

  /** The level of its table, 0 to 3. */
  get level(): number {
    return this.place.level;
  }

  /** Number of the first page that is visited here. */
  get startPage(): number {
    return this.#firstPage + this.place.page;
  }

  /** Pages that are visited here. */
  get pageCount(): number {
    return this.place.end - this.place.page;
  }

  /** The addresses that are visited here: all that the descriptor covers, or a part if the walk has no more. */
  get region(): MemoryRegion {
    return MemoryRegion.ofPages(this.startPage, this.startPage + this.pageCount);
  }

  /** Bits 31:0. */
  get low(): number {
    return this.place.words[this.place.at] as number;
  }

  /** Bits 63:32. */
  get high(): number {
    return this.place.words[this.place.at + 1] as number;
  }

  /** The 64-bit descriptor. */
  get bits(): bigint {
    return wordsToBigInt(this.low, this.high);
  }

  /** Whether it maps something. */
  get isValid(): boolean {
    return isValidLeaf(this.low, this.place.level);
  }

  /** Whether it leads to a table; never in a callback of modifyRange and walkRange. */
  get isTable(): boolean {
    return this.place.level < LAST_LEVEL && (this.low & TYPE_MASK) === TYPE_MASK;
  }

  /** Its attributes. */
  get flags(): AttributeBits<K> {
    const { low, level } = { low: this.low, level: this.place.level };
    const nT = level < LAST_LEVEL && (low & DescriptorLow.Valid) !== 0 ? packLow(low) & NO_TRANSLATION : 0;
    return ((low & LOW_MASK) | packHigh(this.high) | nT | this.#kind) as AttributeBits<K>;
  }

  /** Frame number of the output address. */
  get outputFrame(): number {
    const { level } = this.place;
    return this.isValid ? leafFrameOf(this.low, this.high, level) : frameOf(this.low, this.high);
  }

  /** The output address; of no meaning where the descriptor is invalid. */
  get outputAddress(): bigint {
    return addressOfPage(this.outputFrame);
  }
}

/** What {@link UpdatableDescriptor} needs to know of the tables. */
export interface UpdateRules<K extends AttributeKind = AttributeKind> {
  readonly regime: TranslationRegime<K>;
  readonly firstPage: number;
  readonly frameEnd: number;
  /** Whether attributes that the regime does not name are taken. */
  readonly retain: boolean;
  /** Whether the contiguous bit is the engine's. */
  readonly keepsContiguous: boolean;
}

/** A descriptor that the callback of modifyRange may change. */
export class UpdatableDescriptor<K extends AttributeKind = AttributeKind> extends Descriptor<K> {
  readonly #rules: UpdateRules<K>;
  /** Bits that a change leaves: address and named attributes. */
  readonly #keptLow: number;
  readonly #keptHigh: number;
  /** Whether the tables are in use. Set by the walk. */
  live = false;
  #updated = false;
  /** Attributes that were checked last: a callback mostly gives the same ones again and again. */
  #checkedSet = -1;
  #checkedClear = -1;

  constructor(place: DescriptorPlace, rules: UpdateRules<K>) {
    super(place, rules.regime.attributeKind, rules.firstPage);
    this.#rules = rules;
    const known = knownBits(rules.regime.attributeKind) | (rules.keepsContiguous ? CONTIGUOUS : 0);
    this.#keptLow = lowWordOf(known) | ~LOW_MASK;
    this.#keptHigh = highWordOf(known) | ~HIGH_MASK;
  }

  /** Whether the callback has changed it. */
  get updated(): boolean {
    return this.#updated;
  }

  /** For the walk: forgets {@link updated}. */
  reset(): void {
    this.#updated = false;
  }

  /**
   * Sets and clears attributes; the output address stays. As in the original, bits that the regime does not name are
   * cleared.
   * @throws PageTableError PteUpdateFault if this would make or unmake a table, write a reserved descriptor (VALID
   *   at level 0, or at level 3 without TABLE_OR_PAGE), or needs break-before-make; InvalidFlags
   */
  modifyFlags(set: AttributeBits<K>, clear: AttributeBits<K>): void {
    if (set !== this.#checkedSet) this.#checkedSet = this.#check(set);
    if (clear !== this.#checkedClear) this.#checkedClear = this.#check(clear);
    const { low, high } = this;
    const { level } = this.place;
    // A page has no nT: bit 16 is address.
    const lowMask = level < LAST_LEVEL ? LOW_MASK | DescriptorLow.NoTranslation : LOW_MASK;
    const newLow = (low | (lowWordOf(set) & lowMask)) & ~(lowWordOf(clear) & lowMask) & this.#keptLow;
    const newHigh = (high | highWordOf(set)) & ~highWordOf(clear) & this.#keptHigh;
    if (((low ^ newLow) & DescriptorLow.TableOrPage) !== 0)
      throw this.#fault('would become or cease to be a table');
    this.#write(newLow, newHigh);
  }

  /**
   * Gives it an output address and attributes.
   * @param address a multiple of 4096 within the physical address size
   * @throws PageTableError as {@link modifyFlags}; PhysAddrNotValid
   */
  set(address: Address, flags: AttributeBits<K>): void {
    this.#check(flags);
    const frame = Number(toBigInt(address) >> 12n);
    const { level } = this.place;
    if (frame % pagesPerEntry(level) !== 0 || toBigInt(address) % BigInt(FRAME_SIZE) !== 0n) {
      throw this.#fault(`cannot map to ${hex(address)}, which is not aligned to what it covers`);
    }
    if (frame >= this.#rules.frameEnd) {
      throw new PageTableError('PhysAddrNotValid', `${hex(address)} is beyond the physical address size`, {
        address: toBigInt(address),
      });
    }
    const low = level < LAST_LEVEL ? lowWordOf(flags) : lowWordOf(flags) & LOW_MASK;
    if (level < LAST_LEVEL && (low & TYPE_MASK) === TYPE_MASK) throw this.#fault('would become a table');
    this.#write(low | addressLow(frame), highWordOf(flags) | addressHigh(frame));
  }

  #write(newLow: number, newHigh: number): void {
    const { words, at, level } = this.place;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if ((newLow & DescriptorLow.Valid) !== 0) {
      if (level < FIRST_BLOCK_LEVEL) throw this.#fault('would become a block at level 0, which is reserved');
      if (!isValidLeaf(newLow, level)) throw this.#fault('would become 0b01 at level 3, which is reserved');
      if (this.live && isValidLeaf(low, level) && !this.#permitted(low, high, newLow, newHigh)) {
        throw this.#fault('needs break-before-make');
      }
    }
    if (low === newLow >>> 0 && high === newHigh >>> 0) return;
    this.#updated = true;
    words[at] = newLow;
    words[at + 1] = newHigh;
  }

  #permitted(low: number, high: number, newLow: number, newHigh: number): boolean {
    return isLiveChangePermitted(this.#rules.regime, this.place.level, low, high, newLow, newHigh);
  }

  #check(flags: number): number {
    checkAttributes(flags, this.#rules.regime.attributeKind, this.#rules.retain);
    return flags;
  }

  #fault(what: string): PageTableError {
    const { bits } = this;
    const where = `the level ${this.level} descriptor of ${hex(addressOfPage(this.startPage))}`;
    return new PageTableError('PteUpdateFault', `${where} ${what}`, { bits });
  }
}

/** Whether a valid leaf in use may become another valid one with a single store (Arm ARM D8.16.1). */
export function isLiveChangePermitted(
  { attributeKind, liveSettable, liveClearable }: TranslationRegime,
  level: number,
  low: number,
  high: number,
  newLow: number,
  newHigh: number,
): boolean {
  if (leafFrameOf(low, high, level) !== leafFrameOf(newLow, newHigh, level)) return false;
  const known = knownBits(attributeKind);
  const lowMask = lowWordOf(known) & (level < LAST_LEVEL ? -1 : LOW_MASK);
  const highMask = highWordOf(known);
  return (
    (newLow & ~low & lowMask & ~lowWordOf(liveSettable)) === 0 &&
    (low & ~newLow & lowMask & ~lowWordOf(liveClearable)) === 0 &&
    (newHigh & ~high & highMask & ~highWordOf(liveSettable)) === 0 &&
    (high & ~newHigh & highMask & ~highWordOf(liveClearable)) === 0
  );
}

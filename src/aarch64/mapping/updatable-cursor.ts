import { type Address, addressOfPage, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import {
  type AttributeKind,
  CONTIGUOUS,
  HIGH_MASK,
  highWordOf,
  LOW_MASK,
  lowWordOf,
} from './attribute-words.ts';
import { type AttributeBits, checkAttributes, knownBits } from './attributes.ts';
import type { UpdatableDescriptor } from './descriptor.ts';
import { DescriptorCursor } from './descriptor-cursor.ts';
import type { LiveRules } from './live-rules.ts';
import {
  addressHigh,
  addressLow,
  isValidLeaf,
  LAST_LEVEL,
  type TableGeometry,
  TYPE_MASK,
} from './table-geometry.ts';

/** Copies of imported constants, which V8 would read anew in every change. */
const LAST: number = LAST_LEVEL;
const FLAGS: number = LOW_MASK;
const VALID: number = DescriptorLow.Valid;
const TABLE_OR_PAGE: number = DescriptorLow.TableOrPage;
const TYPE: number = TYPE_MASK;

/** What no attributes are: the masks are of no change yet. */
const NOTHING = -1;

/** What changes of descriptors are checked against. */
export interface UpdateRules<K extends AttributeKind> {
  readonly kind: K;
  readonly live: LiveRules;
  readonly geometry: TableGeometry;
  /** First frame that is no physical memory. */
  readonly frameEnd: number;
  /** Whether attributes that the regime does not name are taken. */
  readonly retain: boolean;
  /** Whether the contiguous bit is the engine's, not the callback's. */
  readonly managesContiguous: boolean;
}

/**
 * The one descriptor object of a modification. The table keeps what the descriptor was until the callback has returned;
 * the walk stores what it is then.
 */
export class UpdatableCursor<K extends AttributeKind = AttributeKind>
  extends DescriptorCursor<K>
  implements UpdatableDescriptor<K>
{
  readonly #rules: UpdateRules<K>;
  readonly #firstBlockLevel: number;
  /** Bits that a change leaves: address and named attributes. */
  readonly #keptLow: number;
  readonly #keptHigh: number;
  /** Bits that flags may not touch. */
  readonly #foreign: number;
  /** Whether changes that need break-before-make are refused. */
  #live = false;
  /** The arguments of the last change, mostly those of the next, and what they do to a page: masks to AND and to OR. */
  #set = NOTHING;
  #clear = NOTHING;
  #andLow = 0;
  #orLow = 0;
  #andHigh = 0;
  #orHigh = 0;
  /** Whether {@link #modifyAnew} has to look at each descriptor with these arguments. */
  #needsCare = true;

  constructor(rules: UpdateRules<K>, firstPage: number) {
    super(rules.kind, firstPage, rules.geometry);
    this.#rules = rules;
    this.#firstBlockLevel = rules.geometry.firstBlockLevel;
    this.#foreign = rules.managesContiguous ? CONTIGUOUS : 0;
    const kept = knownBits(rules.kind) | this.#foreign;
    this.#keptLow = lowWordOf(kept) | ~LOW_MASK;
    this.#keptHigh = highWordOf(kept) | ~HIGH_MASK;
  }

  /** Begins a modification. @param live whether changes that need break-before-make are refused */
  begin(live: boolean): void {
    this.visiting = false;
    this.#live = live;
    this.#set = NOTHING;
  }

  /** The descriptor before the callback. */
  get oldLow(): number {
    return (this.words[this.at] as number) | 0;
  }

  get oldHigh(): number {
    return (this.words[this.at + 1] as number) | 0;
  }

  get updated(): boolean {
    return this.lowWord !== this.oldLow || this.highWord !== this.oldHigh;
  }

  modifyFlags(set: AttributeBits<K>, clear: AttributeBits<K>): void {
    if (set !== this.#set || clear !== this.#clear || set < 0) this.#prepare(set, clear);
    const low = (this.lowWord & this.#andLow) | this.#orLow;
    if (this.#needsCare || this.level !== LAST || (low & TYPE) === VALID) {
      this.#modifyAnew(set, clear);
      return;
    }
    this.lowWord = low;
    this.highWord = (this.highWord & this.#andHigh) | this.#orHigh;
  }

  set(address: Address, flags: AttributeBits<K>): void {
    checkAttributes(flags, this.#rules.kind, this.#rules.retain);
    const output = toBigInt(address);
    const { level } = this;
    if (output % addressOfPage(this.#rules.geometry.pagesPerEntry(level)) !== 0n) {
      throw this.#fault(`cannot map to ${hex(output)}, which is not aligned to what it covers`);
    }
    const frame = Number(output >> 12n);
    if (frame >= this.#rules.frameEnd) {
      throw new PageTableError('PhysAddrNotValid', `${hex(output)} is beyond the physical address size`, {
        address: output,
      });
    }
    const attributes = flags & ~this.#foreign;
    const low = lowWordOf(attributes) & (level < LAST_LEVEL ? -1 : LOW_MASK);
    if (level < LAST_LEVEL && (low & TYPE_MASK) === TYPE_MASK) throw this.#fault('would become a table');
    const kept = this.highWord & highWordOf(this.#foreign);
    this.#write(low | addressLow(frame), highWordOf(attributes) | kept | addressHigh(frame));
  }

  /** {@link modifyFlags} with every check, for descriptors of every level. */
  #modifyAnew(set: number, clear: number): void {
    const { lowWord: low, highWord: high } = this;
    // A page has no nT: bit 16 is address.
    const mask = this.level < LAST ? -1 : FLAGS;
    const setLow = lowWordOf(set & ~this.#foreign) & mask;
    const clearLow = lowWordOf(clear & ~this.#foreign) & mask;
    const newLow = (low | setLow) & ~clearLow & this.#keptLow;
    const newHigh = (high & this.#andHigh) | this.#orHigh;
    if (((low ^ newLow) & TABLE_OR_PAGE) !== 0) {
      throw this.#fault('would become or cease to be a table');
    }
    this.#write(newLow, newHigh);
  }

  /** Checks the arguments, and finds out what they do to a page and whether that can fail. */
  #prepare(set: AttributeBits<K>, clear: AttributeBits<K>): void {
    checkAttributes(set, this.#rules.kind, this.#rules.retain);
    checkAttributes(clear, this.#rules.kind, this.#rules.retain);
    const setLow = lowWordOf(set & ~this.#foreign) & FLAGS;
    const setHigh = highWordOf(set & ~this.#foreign);
    const clearLow = lowWordOf(clear & ~this.#foreign) & FLAGS;
    const clearHigh = highWordOf(clear & ~this.#foreign);
    this.#andLow = this.#keptLow & ~clearLow;
    this.#orLow = setLow & this.#andLow;
    this.#andHigh = this.#keptHigh & ~clearHigh;
    this.#orHigh = setHigh & this.#andHigh;
    const { live } = this.#rules;
    const mayNeedBreak = this.#live && !live.permitsAlways(setLow, setHigh, clearLow, clearHigh);
    this.#needsCare = ((setLow | clearLow) & TYPE) !== 0 || mayNeedBreak;
    this.#set = set;
    this.#clear = clear;
  }

  #write(newLow: number, newHigh: number): void {
    if ((newLow & VALID) !== 0) {
      const { level, lowWord: low, highWord: high } = this;
      if (level < this.#firstBlockLevel) {
        throw this.#fault(`would become a block at level ${level}, which is reserved`);
      }
      if (!isValidLeaf(newLow, level)) throw this.#fault('would become 0b01 at level 3, which is reserved');
      if (
        this.#live &&
        isValidLeaf(low, level) &&
        !this.#rules.live.permits(level, low, high, newLow, newHigh)
      ) {
        throw this.#fault('needs break-before-make');
      }
    }
    this.lowWord = newLow;
    this.highWord = newHigh;
  }

  #fault(what: string): PageTableError {
    const { bits } = this;
    const where = `the level ${this.level} descriptor of ${hex(addressOfPage(this.startPage))}`;
    return new PageTableError('PteUpdateFault', `${where} ${what}`, { bits });
  }
}

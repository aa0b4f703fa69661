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

/** The one descriptor object of a modification. */
export class UpdatableCursor<K extends AttributeKind = AttributeKind>
  extends DescriptorCursor<K>
  implements UpdatableDescriptor<K>
{
  /** The descriptor before the callback. The walk stores what it is afterwards. */
  oldLow = 0;
  oldHigh = 0;
  /** Whether changes that need break-before-make are refused. */
  live = false;
  readonly #rules: UpdateRules<K>;
  readonly #firstBlockLevel: number;
  /** Bits that a change leaves: address and named attributes. */
  readonly #keptLow: number;
  readonly #keptHigh: number;
  /** Bits that flags may not touch. */
  readonly #foreign: number;
  /** The arguments of the last change, mostly those of the next, as masks. */
  #set = -1;
  #clear = -1;
  #setLow = 0;
  #setHigh = 0;
  #clearLow = 0;
  #clearHigh = 0;

  constructor(rules: UpdateRules<K>, firstPage: number) {
    super(rules.kind, firstPage, rules.geometry);
    this.#rules = rules;
    this.#firstBlockLevel = rules.geometry.firstBlockLevel;
    this.#foreign = rules.managesContiguous ? CONTIGUOUS : 0;
    const kept = knownBits(rules.kind) | this.#foreign;
    this.#keptLow = lowWordOf(kept) | ~LOW_MASK;
    this.#keptHigh = highWordOf(kept) | ~HIGH_MASK;
  }

  get updated(): boolean {
    return this.lowWord !== this.oldLow || this.highWord !== this.oldHigh;
  }

  modifyFlags(set: AttributeBits<K>, clear: AttributeBits<K>): void {
    if (set !== this.#set || clear !== this.#clear) this.#prepare(set, clear);
    const { lowWord: low, highWord: high } = this;
    // A page has no nT: bit 16 is address.
    const mask = this.level < LAST ? -1 : FLAGS;
    const newLow = (low | (this.#setLow & mask)) & ~(this.#clearLow & mask) & this.#keptLow;
    const newHigh = (high | this.#setHigh) & ~this.#clearHigh & this.#keptHigh;
    if (((low ^ newLow) & TABLE_OR_PAGE) !== 0) {
      throw this.#fault('would become or cease to be a table');
    }
    this.#write(newLow, newHigh);
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

  #prepare(set: AttributeBits<K>, clear: AttributeBits<K>): void {
    checkAttributes(set, this.#rules.kind, this.#rules.retain);
    checkAttributes(clear, this.#rules.kind, this.#rules.retain);
    this.#setLow = lowWordOf(set & ~this.#foreign);
    this.#setHigh = highWordOf(set & ~this.#foreign);
    this.#clearLow = lowWordOf(clear & ~this.#foreign);
    this.#clearHigh = highWordOf(clear & ~this.#foreign);
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
        this.live &&
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

import { ATTR_INDX_SHIFT, DescriptorHigh, DescriptorLow } from '../../src/aarch64/descriptor-bits.ts';
import { type Granule, spanShift } from './granule.ts';
import {
  ALIAS_OFFSET,
  CODE_BYTES,
  PROBE_WINDOW_OFFSET,
  REGION_BYTES,
  TABLES_OFFSET,
} from './stub-protocol.ts';

/** What the stub's own tables depend on. */
export interface StubTablesForm {
  /** Address of the stub's region: what leaves lead to. Under stage 2 an intermediate physical address. */
  readonly region: number;
  /** Where in the region the tables are; {@link TABLES_OFFSET} where absent. */
  readonly tablesOffset?: number;
  readonly granule: Granule;
  /** Level of the roots. */
  readonly rootLevel: number;
  /** Bytes of a root. */
  readonly rootBytes: number;
  readonly attributes: LeafAttributes;
  /** Whether the region is an intermediate one, in which stage 2 has mapped the first part twice already. */
  readonly isIntermediate?: boolean;
}

/** What leaves say beside their address, for code and for data, as two words. */
export interface LeafAttributes {
  readonly code: readonly [low: number, high: number];
  readonly data: readonly [low: number, high: number];
}

/**
 * Leaves of stage 1.
 * @param hasUser whether the regime has an EL0: where not, AP[1] is RES1 and PXN RES0
 */
export function stageOneAttributes(mair: bigint, hasUser: boolean): LeafAttributes {
  const index = stubAttributeIndex(mair) << ATTR_INDX_SHIFT;
  return {
    code: [index | DescriptorLow.ReadOnly | DescriptorLow.User, 0],
    data: hasUser
      ? [index, DescriptorHigh.UserExecuteNever | DescriptorHigh.PrivilegedExecuteNever]
      : [index | DescriptorLow.User, DescriptorHigh.UserExecuteNever],
  };
}

/**
 * Leaves of stage 2: write-back memory, S2AP where stage 1 has AP, XN = 0b10 (Arm ARM D8.3.1). SH is 0 here as at
 * stage 1, because with DS = 1 it belongs to the address.
 */
export const STAGE_TWO_ATTRIBUTES: LeafAttributes = {
  code: [0x3c | DescriptorLow.User, 0],
  data: [0x3c | DescriptorLow.User | DescriptorLow.ReadOnly, DescriptorHigh.UserExecuteNever],
};

const ENTRY_BYTES = 8;
/** Room for tables in the region. */
export const MAX_TABLE_BYTES = PROBE_WINDOW_OFFSET - TABLES_OFFSET;
/** A root at level 0 and a table of every further level. */
const FIRST_TABLES = 4;
const LEAF = DescriptorLow.Valid | DescriptorLow.TableOrPage | DescriptorLow.AccessFlag;

/**
 * The stub's tables, made in the host, to be written to the region at {@link TABLES_OFFSET}. They map the region:
 * code and vectors read-only and executable at every level, everything else writable and never executable.
 */
export class StubTables {
  readonly #form: StubTablesForm;
  /** Room for the tables made so far: all of it at once would cost a small batch more than its probes. */
  #words = new Uint32Array(0);
  /** Tables that entries lead to, both by their offset in the bytes. */
  readonly #tables = new Map<number, number>();
  #used = 0;

  constructor(form: StubTablesForm) {
    this.#form = form;
  }

  /** The tables made so far; the first root comes first. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer, 0, this.#used);
  }

  /** A root with the given entries, or none. @returns its physical address */
  addRoot(content?: Uint8Array): number {
    const table = this.#addTable(this.#form.rootBytes);
    if (content !== undefined) {
      new Uint8Array(this.#words.buffer, table).set(content.subarray(0, this.#form.rootBytes));
    }
    return this.#addressOf(table);
  }

  /** Maps the region at an address, which is a multiple of its size. Own tables are gone through, others replaced. */
  mapRegion(root: number, address: bigint): void {
    const { granule, rootLevel, rootBytes, region, attributes, isIntermediate = false } = this.#form;
    let table = this.#offsetOf(root);
    let entries = rootBytes / ENTRY_BYTES;
    const indexOf = (level: number) =>
      Number((address >> BigInt(spanShift(granule, level))) & BigInt(entries - 1));
    for (let level = rootLevel; level < 3; level++) {
      const entry = table + indexOf(level) * ENTRY_BYTES;
      table = this.#tables.get(entry) ?? this.#link(entry, this.#addTable());
      entries = 2 ** granule.stride;
    }
    const pageBytes = 2 ** granule.shift;
    const first = table + indexOf(3) * ENTRY_BYTES;
    for (let page = 0; page < REGION_BYTES / pageBytes; page++) {
      const offset = page * pageBytes;
      const source = offset < ALIAS_OFFSET || isIntermediate ? offset : offset - ALIAS_OFFSET;
      const [low, high] = offset < CODE_BYTES ? attributes.code : attributes.data;
      this.#write(first + page * ENTRY_BYTES, region + source, low | LEAF, high);
    }
  }

  /** Lets one root lead to the own tables that another one leads to for an address. */
  share(root: number, other: number, address: bigint): void {
    const { granule, rootLevel } = this.#form;
    const entry = Number(address >> BigInt(spanShift(granule, rootLevel))) * ENTRY_BYTES;
    const table = this.#tables.get(this.#offsetOf(other) + entry);
    if (table !== undefined) this.#link(this.#offsetOf(root) + entry, table);
  }

  /** @param bytes concatenated tables of stage 2 are more than one */
  #addTable(bytes = 0): number {
    const table = this.#used;
    this.#used += Math.max(bytes, 2 ** this.#form.granule.shift);
    if (this.#used > this.#words.byteLength) this.#grow();
    return table;
  }

  #grow(): void {
    const before = this.#words;
    const bytes = Math.max(2 * this.#used, FIRST_TABLES * 2 ** this.#form.granule.shift);
    this.#words = new Uint32Array(Math.min(bytes, MAX_TABLE_BYTES) / 4);
    this.#words.set(before);
  }

  #link(entry: number, table: number): number {
    this.#tables.set(entry, table);
    this.#write(entry, this.#addressOf(table), DescriptorLow.Valid | DescriptorLow.TableOrPage, 0);
    return table;
  }

  #addressOf(table: number): number {
    return this.#form.region + (this.#form.tablesOffset ?? TABLES_OFFSET) + table;
  }

  #offsetOf(address: number): number {
    return address - this.#addressOf(0);
  }

  #write(entry: number, address: number, low: number, high: number): void {
    this.#words[entry / 4] = (address % 2 ** 32) | low;
    this.#words[entry / 4 + 1] = Math.floor(address / 2 ** 32) | high;
  }
}

/** The index of the MAIR byte that suits code best: normal memory, else any (Arm ARM D19.2.100). */
export function stubAttributeIndex(mair: bigint): number {
  for (let index = 0; index < 8; index++) {
    if (((mair >> BigInt(8 * index)) & 0xf0n) !== 0n) return index;
  }
  return 0;
}

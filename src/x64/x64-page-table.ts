import type { Address } from '../addresses.ts';
import { type PageTableOptions, PatinaPageTable } from '../patina/page-table.ts';
import type { X64Registers } from '../registers.ts';

export interface X64PageTableOptions extends PageTableOptions {
  /**
   * Whether MemoryAttributes.Supervisor is honoured (patina-paging's cargo feature `supervisor`): U/S is clear
   * in leaves that have it. Without it every page is a user page. Default: false.
   */
  readonly supervisorAttribute?: boolean;
  /** MAXPHYADDR that {@link X64PageTable.registers} states; 52 where absent. */
  readonly physicalAddressBits?: number;
}

/** Identity-mapped 4- or 5-level x64 page tables with the behaviour of patina-paging's `X64PageTable`. */
export class X64PageTable extends PatinaPageTable<X64Registers> {
  /** New tables: a root with the self-map in entry 511 and the zero-VA tables below entry 510. */
  static create(_options: X64PageTableOptions): X64PageTable {
    return new X64PageTable();
  }

  /** The tables below the root at physical address `root`. */
  static fromExisting(_root: Address, _options: X64PageTableOptions): X64PageTable {
    return new X64PageTable();
  }

  /** The tables that the registers have installed; CR4.LA57 decides the number of levels. */
  static openActive(
    _registers: X64Registers,
    _options: Omit<X64PageTableOptions, 'pagingType'>,
  ): X64PageTable {
    return new X64PageTable();
  }
}

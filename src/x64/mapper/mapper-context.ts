import type { FlushLedger } from './mapper-flush.ts';
import type { ParentTables } from './parent-tables.ts';
import type { TableTree } from './table-tree.ts';

/** Choices of a mapped page table. */
export interface MapperOptions {
  /**
   * Whether a failed call leaves the tables as they were (default). With `false` parents stay widened and new
   * tables stay linked, as the x86_64 crate leaves them, and leaves may be written without PRESENT.
   */
  readonly atomic?: boolean;
  /** 4-level (default) or 5-level paging. */
  readonly levels?: 4 | 5;
  /** MAXPHYADDR in bits: frames beyond it are refused; default 52. */
  readonly physicalAddressBits?: number;
}

/** What the mappers of the three page sizes share. */
export interface MapperContext {
  readonly tree: TableTree;
  readonly parents: ParentTables;
  readonly atomic: boolean;
  /** First frame number beyond MAXPHYADDR. */
  readonly frameEnd: number;
  /** Set while a TLB is attached. */
  ledger: FlushLedger | undefined;
}

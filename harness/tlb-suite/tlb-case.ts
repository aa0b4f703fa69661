import type { FrameAllocator } from '../../src/x64/mapper/frame-allocator.ts';
import type { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import type { MapperFlush, MapperFlushAll } from '../../src/x64/mapper/mapper-flush.ts';

/** What a case works on. */
export interface CaseTables {
  readonly table: MappedPageTable;
  readonly frames: FrameAllocator;
}

/** What a mapper promises after a change. */
export type FlushPromise = MapperFlush | MapperFlushAll;

/**
 * What the architecture says of a change whose promised flush is left out (SDM Vol. 3A §4.10.4.2, §4.10.4.3):
 *
 * - stale: the old translation may stay in force, and the promised flush ends it.
 * - spurious fault: at worst an access that is allowed now faults once.
 * - nothing: no translation of the old state can be cached.
 * - stale all the same: the old translation may stay in force even after the promised flush.
 */
export type WithoutFlush = 'stale' | 'spurious fault' | 'nothing' | 'stale all the same';

/** A change of live tables, and what the architecture says of its flush. */
export interface TlbCase {
  /** "unmap". */
  readonly name: string;
  readonly withoutFlush: WithoutFlush;
  /** Bits of CR4 beside PAE. */
  readonly cr4?: bigint;
  /** A feature that the machine must have, as in Capabilities.features. */
  readonly needs?: string;
  /** The pages that are probed, before the change and after it. */
  readonly pages: readonly bigint[];
  /** Builds the tables before the change. */
  prepare(tables: CaseTables): void;
  /** Makes the change. @returns the flushes that it promises */
  change(tables: CaseTables): readonly FlushPromise[];
}

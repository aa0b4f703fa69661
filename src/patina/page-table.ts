import type { Address } from '../addresses.ts';
import type { PageAllocator } from '../memory/page-allocator.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { MemoryAttributeBits } from '../memory-attributes.ts';
import type { Registers } from '../registers.ts';
import type { TableInstaller } from '../table-installer.ts';
import type { MappedRegion } from './mapped-region.ts';
import type { PagingType } from './paging-type.ts';

/** What every page table needs. */
export interface PageTableOptions {
  /** Where the tables are. */
  readonly memory: PhysicalMemory;
  /** Where frames for new tables come from. */
  readonly allocator: PageAllocator;
  /** Number of levels; 4-level where absent. */
  readonly pagingType?: PagingType;
  /**
   * Whether a failed operation leaves every table as it was and gives back the frames it took (default), or
   * leaves behind what patina-paging would.
   */
  readonly atomic?: boolean;
  /** Who loads the registers on {@link PatinaPageTable.installPageTable}; without one they are only recorded. */
  readonly installer?: TableInstaller;
}

function unwritten(): never {
  throw new Error('the page-table engine is being written');
}

/** The operations of patina-paging's `PageTable` on identity-mapped tables. */
export abstract class PatinaPageTable<R extends Registers = Registers> {
  /** Maps `size` bytes from `address` to the same physical addresses, whatever was mapped there. */
  mapMemoryRegion(_address: Address, _size: Address, _attributes: MemoryAttributeBits): void {
    unwritten();
  }

  unmapMemoryRegion(_address: Address, _size: Address): void {
    unwritten();
  }

  queryMemoryRegion(_address: Address, _size: Address): MemoryAttributeBits {
    return unwritten();
  }

  /** Every present leaf in ascending table order, from the one that holds `start`. */
  mappedRegions(_start?: Address): IterableIterator<MappedRegion> {
    return unwritten();
  }

  /** One line per entry that is not zero. */
  dumpPageTables(_address: Address, _size: Address): string {
    return unwritten();
  }

  installPageTable(): Promise<void> {
    return unwritten();
  }

  /** The registers that an installer must load for these tables. */
  registers(): R {
    return unwritten();
  }

  /** Physical address of the top-level table. */
  intoPageTableRoot(): bigint {
    return unwritten();
  }
}

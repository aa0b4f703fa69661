import type { Address } from '../../addresses.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import { cleanUp } from './clean-up.ts';
import type { FrameDeallocator } from './frame-allocator.ts';
import { Mapper } from './mapper.ts';
import type { MapperContext, MapperOptions } from './mapper-context.ts';
import { FlushLedger, type TlbSink } from './mapper-flush.ts';
import type { PageRange } from './page.ts';
import { type PageSize, Size1GiB, Size2MiB, Size4KiB } from './page-size.ts';
import type { PageTableFlagBits } from './page-table-flags.ts';
import { ParentTables } from './parent-tables.ts';
import type { PhysAddr } from './phys-addr.ts';
import type { PhysFrame } from './phys-frame.ts';
import { TableTree } from './table-tree.ts';
import { type TranslateResult, translate, translateAddress } from './translate.ts';

/** A name of this module, which V8 resolves once; what is imported is loaded and checked in each call. */
const translateIn = translate;

/** How a mapper reaches the tables, for the subclasses. */
export interface TableAccess {
  /** Frames between a table's physical frame and the place in `memory` where the mapper finds it. */
  readonly frameOffset?: number;
  /** Flags that new parent entries get besides those asked for. */
  readonly parentFlags?: PageTableFlagBits;
  /** Root entries that lead to no table of their own. */
  readonly skipRootEntry?: number;
}

/**
 * 4- or 5-level tables in memory with the x86_64 crate's `Mapper`, `Translate` and `CleanUp`. The tables
 * are read from memory at each call, so that whatever others write to them is seen.
 */
export class MappedPageTable {
  /** Pages of 4 KiB. */
  readonly size4KiB: Mapper<Size4KiB>;
  /** Pages of 2 MiB. */
  readonly size2MiB: Mapper<Size2MiB>;
  /** Pages of 1 GiB. */
  readonly size1GiB: Mapper<Size1GiB>;
  readonly #context: MapperContext;
  readonly #tree: TableTree;
  readonly #skipRootEntry: number | undefined;

  /**
   * @param memory holds the tables
   * @param root physical frame of the top-level table
   * @throws PageTableError TableOutsideMemory if the root is not in `memory`
   */
  constructor(
    memory: PhysicalMemory,
    root: PhysFrame<Size4KiB>,
    options: MapperOptions = {},
    access: TableAccess = {},
  ) {
    const tree = new TableTree(memory, root, options.levels ?? 4, access.frameOffset ?? 0);
    tree.locate(root);
    this.#tree = tree;
    this.#context = {
      tree,
      parents: new ParentTables(tree, access.parentFlags ?? 0),
      atomic: options.atomic ?? true,
      frameEnd: 2 ** ((options.physicalAddressBits ?? 52) - 12),
      ledger: undefined,
    };
    this.#skipRootEntry = access.skipRootEntry;
    this.size4KiB = new Mapper(this.#context, Size4KiB);
    this.size2MiB = new Mapper(this.#context, Size2MiB);
    this.size1GiB = new Mapper(this.#context, Size1GiB);
  }

  /** The mapper of a page size that is known at run time only. */
  for<S extends PageSize>(size: S): Mapper<S> {
    const mapper = size.level === 1 ? this.size4KiB : size.level === 2 ? this.size2MiB : this.size1GiB;
    return mapper as Mapper<PageSize> as Mapper<S>;
  }

  /** Physical frame of the top-level table. */
  get root(): PhysFrame<Size4KiB> {
    return this.#context.tree.rootFrame as PhysFrame<Size4KiB>;
  }

  /**
   * Where a virtual address leads, with the flags of the leaf and those in force over all levels.
   * @throws PageTableError VirtAddrNotValid; ParentEntryHugePage for the reserved bit PS in a top-level entry
   */
  translate(address: Address): TranslateResult {
    return translateIn(this.#tree, address);
  }

  /** The physical address behind a virtual one, or undefined. @throws PageTableError as {@link translate} */
  translateAddr(address: Address): PhysAddr | undefined {
    return translateAddress(this.#context.tree, address);
  }

  /** Frees every table that holds no entry in use. */
  cleanUp(deallocator: FrameDeallocator): void {
    this.#cleanUp(0, 2 ** 52 - 1, deallocator);
  }

  /** Frees the tables on the way to the pages of a range that hold no entry in use. */
  cleanUpAddrRange(range: PageRange<PageSize>, deallocator: FrameDeallocator): void {
    this.#cleanUp(range.start, range.end - 1, deallocator);
  }

  /**
   * Sends the flushes of all later changes to a TLB. Promises that are neither flushed nor ignored are found by
   * the returned ledger.
   */
  attach(sink: TlbSink): FlushLedger {
    const ledger = new FlushLedger(sink);
    this.#context.ledger = ledger;
    return ledger;
  }

  /** Ends {@link attach}. */
  detach(): void {
    this.#context.ledger = undefined;
  }

  #cleanUp(start: number, last: number, deallocator: FrameDeallocator): void {
    const { tree, parents } = this.#context;
    const free: FrameDeallocator = {
      deallocateFrame(frame) {
        parents.forget(frame);
        deallocator.deallocateFrame(frame);
      },
    };
    cleanUp(tree, start, last, free, (entry) => entry !== this.#skipRootEntry);
  }
}

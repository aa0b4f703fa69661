import {
  type Address,
  addressOfPage,
  FRAME_SHIFT,
  FRAME_SIZE,
  hex,
  pageNumberOf,
  toBigInt,
} from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import { FrameSource } from '../memory/frame-source.ts';
import type { PageAllocator } from '../memory/page-allocator.ts';
import { lowerBits, upperBits } from '../memory/page-walk.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { TableMemory } from '../memory/table-memory.ts';
import { UndoJournal } from '../memory/undo-journal.ts';
import type { MemoryAttributeBits } from '../memory-attributes.ts';
import type { Registers } from '../registers.ts';
import type { TableInstaller } from '../table-installer.ts';
import type { AddressSpace } from './address-space.ts';
import { createTables } from './create-tables.ts';
import { dumpTables } from './dump-tables.ts';
import type { EntryFormat } from './entry-format.ts';
import type { MappedRegion } from './mapped-region.ts';
import { MappedRegionCursor } from './mapped-region-cursor.ts';
import type { PagingType } from './paging-type.ts';
import { RegionMapper } from './region-mapper.ts';
import { RegionQuery } from './region-query.ts';
import { RegionUnmapper } from './region-unmapper.ts';
import type { TableContext } from './table-context.ts';
import { entryIndex } from './table-geometry.ts';

/** Copies of imported bindings, which V8 would read and compare anew in every call. */
const PAGE: number = FRAME_SIZE;
const upper = upperBits;
const lower = lowerBits;

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

/** What an architecture says about its page tables. */
export interface PagingScheme {
  readonly format: EntryFormat;
  readonly space: AddressSpace;
  readonly levels: number;
}

/**
 * Identity-mapped page tables with the operations of patina-paging's `PageTable`. Addresses and sizes are in bytes
 * and multiples of 4096. Every operation throws {@link PageTableError}; whatever it is that fails, TableOutsideMemory
 * names a table pointer that leaves the memory.
 */
export abstract class PatinaPageTable<R extends Registers = Registers> {
  readonly #context: TableContext;
  readonly #space: AddressSpace;
  readonly #mapper: RegionMapper;
  readonly #unmapper: RegionUnmapper;
  readonly #query: RegionQuery;
  readonly #installer: TableInstaller | undefined;
  #installed: R | undefined;

  /**
   * @param root physical address of existing tables; undefined to create new ones
   * @param installed the registers by which the tables are in force already
   */
  protected constructor(
    scheme: PagingScheme,
    options: PageTableOptions,
    root: Address | undefined,
    installed?: R,
  ) {
    const { format, levels } = scheme;
    const tables = new TableMemory(options.memory);
    const frames = new FrameSource(options.allocator, tables);
    const atomic = options.atomic ?? true;
    this.#context = {
      format,
      tables,
      frames,
      journal: new UndoJournal(),
      atomic,
      rootFrame:
        root === undefined ? createdRoot(scheme, tables, frames, atomic) : existingRoot(root, tables),
      rootLevel: levels,
    };
    this.#space = scheme.space;
    this.#mapper = new RegionMapper(this.#context);
    this.#unmapper = new RegionUnmapper(this.#context, this.#mapper);
    this.#query = new RegionQuery(this.#context);
    this.#installer = options.installer;
    this.#installed = installed;
  }

  /** The registers that an installer must load for these tables. */
  abstract registers(): R;

  /** The registers that {@link installPageTable} loaded or recorded; undefined before. */
  get installedRegisters(): R | undefined {
    return this.#installed;
  }

  /**
   * Maps a range to the physical addresses of the same value, whatever was mapped there: with large pages where an
   * entry is covered wholly, splitting large pages that are covered in part and have other attributes.
   * @throws PageTableError InvalidMemoryRange, UnalignedAddress, UnalignedMemoryRange, IncompatibleMemoryAttributes,
   *   OutOfResources, UnalignedPageBase; on x64 InvalidParameter for a non-canonical address; on AArch64
   *   AdditionOverflow for a range that ends beyond 2^64
   */
  mapMemoryRegion(address: Address, size: Address, attributes: MemoryAttributeBits): void {
    if (attributes !== attributes >>> 0) throw notAttributes(attributes);
    if (
      this.#isPlainPage(address, size) &&
      this.#mapper.mapPage(upper(address), lower(address), attributes)
    ) {
      return;
    }
    this.#mapRange(address, size, attributes);
  }

  #mapRange(address: Address, size: Address, attributes: MemoryAttributeBits): void {
    const page = this.#editedPage(address, size);
    try {
      this.#mapper.map(page, pageCount(size), attributes);
    } catch (error) {
      this.#abandon();
      throw error;
    }
    this.#commit();
  }

  /**
   * Unmaps a range; what is not mapped stays so. Tables are kept even when they become empty.
   * @throws PageTableError as {@link mapMemoryRegion}
   */
  unmapMemoryRegion(address: Address, size: Address): void {
    if (this.#isPlainPage(address, size) && this.#unmapper.unmapPage(upper(address), lower(address))) {
      return;
    }
    this.#unmapRange(address, size);
  }

  #unmapRange(address: Address, size: Address): void {
    const page = this.#editedPage(address, size);
    try {
      this.#unmapper.unmap(page, pageCount(size));
    } catch (error) {
      this.#abandon();
      throw error;
    }
    this.#commit();
  }

  /**
   * The attributes that all pages of a range share, together with what the tables above them forbid. x64 entries
   * have no cache attributes.
   * @throws PageTableError NoMapping if no page is mapped, InconsistentMappingAcrossRange if only some are,
   *   NonUniformMemoryAttributes if their attributes differ, and the range errors of {@link mapMemoryRegion}
   */
  queryMemoryRegion(address: Address, size: Address): MemoryAttributeBits {
    if (this.#isPlainPage(address, size)) {
      const attributes = this.#query.queryPage(upper(address), lower(address));
      if (attributes >= 0) return attributes;
    }
    return this.#queryRange(address, size);
  }

  #queryRange(address: Address, size: Address): MemoryAttributeBits {
    if (this.#isPlain(address, size)) {
      return this.#query.query(address / FRAME_SIZE, pageCount(size), false);
    }
    const start = toBigInt(address);
    const length = toBigInt(size, 'size');
    this.#space.checkQuery(start, length);
    return this.#queryUnusual(Number(start >> 12n), Number((start + length) >> 12n));
  }

  /**
   * The present leaves in ascending order of the table entries. The self-map and the zero-VA tables are left out.
   * @param start begin with the leaf that translates this address, or the next one behind it
   */
  *mappedRegions(start: Address = 0): IterableIterator<MappedRegion> {
    const { translatedBits, signExtended } = this.#space;
    const cursor = this.mappedRegionCursor(start);
    const upperHalf = 2 ** (translatedBits - 1 - FRAME_SHIFT);
    const extension = (1n << 64n) - (1n << BigInt(translatedBits));
    while (cursor.advance()) {
      const address = addressOfPage(cursor.page);
      const signExtendedAddress = cursor.page >= upperHalf ? address + extension : address;
      yield {
        virtualAddress: signExtended ? signExtendedAddress : address,
        signExtendedAddress,
        physicalAddress: addressOfPage(cursor.frame),
        size: addressOfPage(cursor.pageCount),
        attributes: cursor.attributes,
      };
    }
  }

  /** {@link mappedRegions} in numbers and without an object for each region, for tables with millions of them. */
  mappedRegionCursor(start: Address = 0): MappedRegionCursor {
    const page = pageNumberOf(start, 'start') % 2 ** (this.#space.translatedBits - FRAME_SHIFT);
    return new MappedRegionCursor(this.#context, page);
  }

  /**
   * The entries that translate a range as text: the bit positions, then one line with virtual addresses, output
   * address and bits for each entry that is not zero.
   */
  dumpPageTables(address: Address, size: Address): string {
    return [...this.dumpLines(address, size)].join('\n');
  }

  /** The lines of {@link dumpPageTables} one by one. */
  dumpLines(address: Address, size: Address): Iterable<string> {
    const start = toBigInt(address);
    const length = toBigInt(size, 'size');
    this.#space.checkQuery(start, length);
    const pages = 2 ** (this.#space.translatedBits - FRAME_SHIFT);
    const end = Number((start + length) >> 12n);
    return dumpTables(
      this.#context,
      Number(start >> 12n),
      this.#space.signExtended ? end : Math.min(end, pages),
    );
  }

  /** Has the machine that is attached load {@link registers}, or records them if there is none. */
  async installPageTable(): Promise<void> {
    const registers = this.registers();
    await this.#installer?.install(registers);
    this.#installed = registers;
  }

  /** Physical address of the top-level table. */
  intoPageTableRoot(): bigint {
    return addressOfPage(this.#context.rootFrame);
  }

  /** Whether a range can be taken as it is: whole pages, in exact numbers, below everything that needs a look. */
  #isPlain(address: Address, size: Address): address is number {
    if (typeof address !== 'number' || typeof size !== 'number') return false;
    const page = address / FRAME_SIZE;
    const pages = size / FRAME_SIZE;
    return (
      page >= 0 &&
      pages > 0 &&
      page === Math.floor(page) &&
      pages === Math.floor(pages) &&
      address + size <= this.#space.plainEnd
    );
  }

  /** {@link #isPlain} for a range of one page, which the operations try to serve with a single walk. */
  #isPlainPage(address: Address, size: Address): address is number {
    return (
      size === PAGE &&
      typeof address === 'number' &&
      upper(address) * 2 ** 30 + lower(address) * PAGE === address &&
      address < this.#space.plainEnd
    );
  }

  /** The first page of a range that is to be mapped or unmapped. */
  #editedPage(address: Address, size: Address): number {
    if (this.#isPlain(address, size)) return address / FRAME_SIZE;
    const start = toBigInt(address);
    this.#space.checkEdit(start, toBigInt(size, 'size'));
    return Number(start >> 12n);
  }

  #queryUnusual(page: number, end: number): MemoryAttributeBits {
    if (this.#space.signExtended) return this.#query.query(page, end - page, false);
    const translated = 2 ** (this.#space.translatedBits - FRAME_SHIFT);
    if (page >= translated) {
      throw new PageTableError('NoMapping', `these tables do not translate ${hex(addressOfPage(page))}`);
    }
    const { rootLevel } = this.#context;
    if (end > translated && entryIndex(page, rootLevel) > entryIndex(end - 1, rootLevel)) {
      throw new PageTableError(
        'InvalidMemoryRange',
        `the range at ${hex(addressOfPage(page))} leaves the addresses that these tables translate`,
      );
    }
    return this.#query.query(page, Math.min(end, translated) - page, end > translated);
  }

  #commit(): void {
    this.#context.journal.commit();
    this.#context.frames.commit();
  }

  #abandon(): void {
    if (!this.#context.atomic) {
      this.#commit();
      return;
    }
    this.#context.journal.rollback();
    this.#context.frames.rollback();
  }
}

function notAttributes(attributes: number): RangeError {
  return new RangeError(`attributes ${attributes} are not a word of MemoryAttributes bits`);
}

function pageCount(size: Address): number {
  return typeof size === 'number' ? size / FRAME_SIZE : Number(size >> 12n);
}

function createdRoot(
  { format, levels }: PagingScheme,
  tables: TableMemory,
  frames: FrameSource,
  atomic: boolean,
): number {
  try {
    const root = createTables(format, tables, frames, levels);
    frames.commit();
    return root;
  } catch (error) {
    if (atomic) frames.rollback();
    throw error;
  }
}

/** @throws PageTableError UnalignedPageBase, TableOutsideMemory */
function existingRoot(root: Address, tables: TableMemory): number {
  const address = toBigInt(root, 'root');
  if (address % BigInt(FRAME_SIZE) !== 0n) {
    throw new PageTableError('UnalignedPageBase', `the root table at ${hex(address)} is not 4 KiB aligned`);
  }
  const frame = Number(address >> BigInt(FRAME_SHIFT));
  tables.locate(frame);
  return frame;
}

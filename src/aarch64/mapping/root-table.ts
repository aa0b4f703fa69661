import { type Address, addressOfPage } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { FrameSource } from '../../memory/frame-source.ts';
import { TableMemory } from '../../memory/table-memory.ts';
import { UndoJournal } from '../../memory/undo-journal.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import { lowWordOf, unpackBits } from './attribute-words.ts';
import { attributeNames, checkAttributes } from './attributes.ts';
import { type BrokenEntry, breakLeaves } from './broken-entries.ts';
import type { BrokenRange } from './broken-range.ts';
import { compactTables } from './compact.ts';
import { type ConstraintBits, Constraints } from './constraints.ts';
import type { Descriptor, UpdatableDescriptor } from './descriptor.ts';
import { DescriptorCursor } from './descriptor-cursor.ts';
import { LeafTemplate } from './leaf-template.ts';
import { LiveCheck } from './live-check.ts';
import { LiveRules } from './live-rules.ts';
import type { MappingContext } from './mapping-context.ts';
import { MemoryRegion } from './memory-region.ts';
import { OutputRange } from './output-range.ts';
import { PageMapper } from './page-mapper.ts';
import { printTables } from './print-tables.ts';
import { RangeMapper } from './range-mapper.ts';
import { RangeModifier, type Update, updateFault } from './range-modifier.ts';
import { CallbackVisitor, walkRange } from './range-walker.ts';
import type { AttributeKindOf, AttributesOf, TranslationRegime, VaRangeOption } from './regime.ts';
import { MAX_ADDRESS_BITS, TableGeometry, WORDS } from './table-geometry.ts';
import type { TableOptions } from './table-options.ts';
import { TableRelease } from './table-release.ts';
import { NO_MAINTENANCE, type StaleTranslations, type TlbMaintenance } from './tlb-maintenance.ts';
import { TranslatedRange } from './translated-range.ts';
import { UpdatableCursor } from './updatable-cursor.ts';

/**
 * A tree of stage 1 or stage 2 tables. It does not know whether the tables are in use:
 * `Mapping` does.
 */
export class RootTable<R extends TranslationRegime = TranslationRegime> {
  readonly regime: R;
  /** Which half of the address space it translates. */
  readonly vaRange: 'lower' | 'upper';
  readonly rootLevel: number;
  readonly #context: MappingContext;
  readonly #mapper: RangeMapper;
  readonly #pageMapper: PageMapper;
  readonly #modifier: RangeModifier;
  readonly #liveCheck: LiveCheck;
  readonly #cursor: UpdatableCursor;
  readonly #range: TranslatedRange;
  readonly #outputs: OutputRange;
  #changing = false;
  #broken = false;
  #template = new LeafTemplate(0, Constraints.None, false);
  #templateFlags = -1;
  #templateConstraints = -1;

  /**
   * A tree with an empty root table.
   * @throws PageTableError InvalidRootLevel, InvalidVaRange (the regime has no upper range), OutOfResources,
   *   UnalignedPageBase, TableOutsideMemory; RangeError for other options that do not fit
   */
  constructor(options: TableOptions<R> & VaRangeOption<R>) {
    const { regime, rootLevel, vaBits, granule = '4K', atomic = true } = options;
    const { physicalAddressBits = MAX_ADDRESS_BITS } = options;
    const isStageTwo = regime.name === 'stage 2';
    const geometry = new TableGeometry({ granule, rootLevel, vaBits, isStageTwo });
    const vaRange = options.vaRange ?? 'lower';
    if (!(regime.vaRanges as readonly string[]).includes(vaRange)) {
      throw new PageTableError('InvalidVaRange', `${regime.name} has no ${vaRange} range of addresses`);
    }
    if (!Number.isInteger(physicalAddressBits) || physicalAddressBits < 32 || physicalAddressBits > 48) {
      throw new RangeError(`physicalAddressBits is ${physicalAddressBits}, not 32 to ${MAX_ADDRESS_BITS}`);
    }
    this.regime = regime;
    this.vaRange = vaRange;
    this.rootLevel = rootLevel;
    this.#range = new TranslatedRange(vaRange, geometry);
    const { granulePages, rootFrames } = geometry;
    const tables = new TableMemory(options.memory, granulePages);
    const release = new TableRelease(options.allocator, tables, granulePages, !atomic);
    const frames = new FrameSource(release, tables, granulePages);
    const rootSource = rootFrames === granulePages ? frames : new FrameSource(release, tables, rootFrames);
    this.#context = {
      tables,
      frames,
      release,
      journal: new UndoJournal(),
      rootFrame: takeRoot(rootSource, atomic),
      rootLevel,
      geometry,
      firstPage: this.#range.firstPage,
      atomic,
      managesContiguous: options.contiguousHints ?? true,
      hinted: false,
      frameEnd: 2 ** (physicalAddressBits - 12),
      stale: undefined,
    };
    const live = new LiveRules(regime, geometry);
    const { firstPage, frameEnd, managesContiguous } = this.#context;
    this.#outputs = new OutputRange(granulePages, frameEnd, atomic);
    const rules = {
      kind: regime.attributeKind,
      live,
      geometry,
      frameEnd,
      retain: !atomic,
      managesContiguous,
    };
    this.#cursor = new UpdatableCursor(rules, firstPage);
    this.#mapper = new RangeMapper(this.#context);
    this.#pageMapper = new PageMapper(this.#context);
    this.#modifier = new RangeModifier(this.#context, this.#mapper, this.#cursor);
    this.#liveCheck = new LiveCheck(this.#context, live, regime.attributeKind);
  }

  /** Bytes of virtual address space that the tables translate. */
  get size(): bigint {
    return addressOfPage(this.#range.pages);
  }

  /** Physical address of the root table. */
  get rootAddress(): bigint {
    return addressOfPage(this.#context.rootFrame);
  }

  /** Maps single pages where nothing has to be checked, for `IdMap`. */
  get pageMapper(): PageMapper {
    return this.#pageMapper;
  }

  /** What the operations work on, for `Mapping`. */
  get context(): MappingContext {
    return this.#context;
  }

  /**
   * Maps a range to the output addresses from `address` on. Without VALID in `flags` it unmaps the range, and
   * `address` says only what counts as unmapped already. See `Mapping.mapRange` for the errors.
   */
  mapRange(
    region: MemoryRegion,
    address: Address,
    flags: AttributesOf<R>,
    constraints: ConstraintBits = Constraints.None,
  ): TlbMaintenance {
    const { frame, exact } = this.#outputs.frameOf(address);
    const { startPage, endPage } = region;
    if (endPage - startPage === 1 && exact && this.#pageMapper.map(startPage, frame, flags)) {
      return NO_MAINTENANCE;
    }
    return this.mapFrames(startPage, endPage, frame, flags, constraints, exact);
  }

  /** {@link mapRange} by frame number. @param exact whether the address was a multiple of the granule */
  mapFrames(
    startPage: number,
    endPage: number,
    frame: number,
    flags: AttributesOf<R>,
    constraints: ConstraintBits,
    exact = true,
  ): TlbMaintenance {
    const region = { startPage, endPage };
    const isLive = this.#context.stale !== undefined;
    const template = this.#templateFor(flags, constraints, exact);
    if (isLive) {
      const { page, end } = this.#range.relative(region);
      this.#liveCheck.map(page, end, frame, template);
    }
    checkNoTable(flags);
    const { page, end } = this.#range.relative(region);
    if (template.valid) this.#outputs.check(frame, end - page, template.exact);
    const maintenance = this.#change(() => this.#mapper.map(page, end, frame, template));
    if (!isLive) this.#pageMapper.remember(flags, template);
    return maintenance;
  }

  /**
   * Hands every block, page and invalid descriptor of a range to a callback that may change it. Blocks, and empty
   * entries, that the range covers in part are split before. The descriptor is valid during the callback only.
   * See `Mapping.modifyRange` for the errors.
   */
  modifyRange(
    region: MemoryRegion,
    update: (descriptor: UpdatableDescriptor<AttributeKindOf<R>>) => void,
  ): TlbMaintenance {
    const { page, end } = this.#range.relative(region);
    const call = update as Update;
    return this.#change(() => {
      if (this.#context.stale !== undefined) this.#liveCheck.modify(page, end, this.#cursor, call);
      this.#modifier.modify(page, end, call);
    });
  }

  /**
   * Hands every block, page and invalid descriptor of a range to a callback, in order. The descriptor is valid during
   * the callback only.
   * @throws PageTableError RegionBackwards, AddressRange; PteUpdateFault for whatever the callback throws
   */
  walkRange(region: MemoryRegion, visit: (descriptor: Descriptor<AttributeKindOf<R>>) => void): void {
    const { page, end } = this.#range.relative(region);
    const kind = this.regime.attributeKind as AttributeKindOf<R>;
    const { firstPage, geometry } = this.#context;
    const cursor = new DescriptorCursor(kind, firstPage, geometry);
    const call = visit as (descriptor: DescriptorCursor) => void;
    try {
      walkRange(this.#context, page, end, new CallbackVisitor(cursor, call));
    } catch (cause) {
      throw cursor.visiting ? updateFault(cause, cursor.low, cursor.high) : cause;
    }
  }

  /** Unlinks every table whose entries are all zero, and gives its frame back. */
  compactSubtables(): TlbMaintenance {
    return this.#change(() => compactTables(this.#context));
  }

  /**
   * Breaks a range for a break-before-make sequence: zeroes every leaf that maps a part of it.
   * @throws PageTableError RegionBackwards, AddressRange, TableOutsideMemory
   */
  breakRange(region: MemoryRegion): BrokenRange<R> {
    const { page, end } = this.#range.relative(region);
    let entries: BrokenEntry[] = [];
    const maintenance = this.#change(() => {
      entries = breakLeaves(this.#context, page, end);
    });
    this.#broken = true;
    const { firstPage, geometry } = this.#context;
    const first = Math.min(page, entries[0]?.page ?? page);
    const last = entries.at(-1);
    const behind = Math.max(end, last === undefined ? end : last.page + geometry.pagesPerEntry(last.level));
    return {
      region,
      unmapped: MemoryRegion.ofPages(firstPage + first, firstPage + behind),
      maintenance,
      mapRange: (address, flags, constraints = Constraints.None) => {
        const { frame, exact } = this.#outputs.frameOf(address);
        const template = this.#checkedTemplate(flags, constraints, exact);
        if (template.valid) this.#outputs.check(frame, end - page, exact);
        return this.#make(
          entries,
          page,
          end,
          (words, level, from, to) =>
            this.#mapper.mapWithin(words, level, from, to, frame + from - page, template),
          (from, to) => {
            this.#mapper.map(from, to, frame + from - page, template);
          },
        );
      },
      modifyRange: (update) =>
        this.#make(
          entries,
          page,
          end,
          (words, level, from, to) => this.#modifier.modifyWithin(words, level, from, to, update as Update),
          (from, to) => this.#modifier.modify(from, to, update as Update),
        ),
      restore: () => this.#make(entries, page, end, undefined, undefined),
    };
  }

  /** The tables as text: a line for each table and for each run of alike entries. */
  print(): string {
    const { name, attributeKind } = this.regime;
    const title = `${name}, ${this.vaRange} range`;
    const cursor = new DescriptorCursor(attributeKind, 0, this.#context.geometry);
    const names = (low: number, high: number, level: number): readonly string[] => {
      cursor.describe(low, high, level);
      return attributeNames(cursor.flags, attributeKind);
    };
    return [...printTables(this.#context, title, names)].join('\n');
  }

  /** While set, changes are checked as changes of tables in use, and what they leave in TLBs is gathered. */
  setLive(stale: StaleTranslations | undefined): void {
    this.#pageMapper.forget();
    this.#context.stale = stale;
  }

  /**
   * The last step of a break-before-make sequence: makes broken entries again, each by one store.
   * @param within makes the part of a broken entry that the range covers, in two words that are not linked
   * @param between makes what was not mapped before
   */
  #make(
    entries: readonly BrokenEntry[],
    page: number,
    end: number,
    within: ((words: Uint32Array, level: number, from: number, to: number) => void) | undefined,
    between: ((from: number, to: number) => void) | undefined,
  ): TlbMaintenance {
    const { atomic, geometry, journal, stale } = this.#context;
    if (!this.#broken) throw new Error('the range has been made already');
    this.#broken = false;
    try {
      return this.#change(() => {
        let next = page;
        for (const { words, at, level, page: first, low, high } of entries) {
          const made = Uint32Array.of(low, high);
          const from = Math.max(first, page);
          const to = Math.min(first + geometry.pagesPerEntry(level), end);
          if (from < to) {
            if (next < from) between?.(next, from);
            within?.(made, level, from, to);
            next = to;
          }
          if (atomic) journal.save(words, at, WORDS);
          words[at] = made[0] as number;
          words[at + 1] = made[1] as number;
          stale?.written();
        }
        if (next < end) between?.(next, end);
      });
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  /** Runs a change that is taken back if it fails. */
  #change(run: () => void): TlbMaintenance {
    const { atomic, frames, journal, release, stale } = this.#context;
    if (this.#broken) throw new Error('a range is broken: it must be made before anything else is changed');
    if (this.#changing)
      throw new Error('the tables cannot be changed from within a callback that changes them');
    this.#changing = true;
    this.#pageMapper.forget();
    try {
      run();
    } catch (error) {
      if (atomic) {
        journal.rollback();
        release.rollback();
        frames.rollback();
      } else frames.commit();
      stale?.forget();
      throw error;
    } finally {
      this.#changing = false;
    }
    journal.commit();
    frames.commit();
    release.commit();
    return stale === undefined ? NO_MAINTENANCE : stale.take();
  }

  #checkedTemplate(flags: AttributesOf<R>, constraints: ConstraintBits, exact: boolean): LeafTemplate {
    const template = this.#templateFor(flags, constraints, exact);
    checkNoTable(flags);
    return template;
  }

  #templateFor(flags: AttributesOf<R>, constraints: ConstraintBits, exact: boolean): LeafTemplate {
    if (flags === this.#templateFlags && constraints === this.#templateConstraints) {
      if (this.#template.exact === exact) return this.#template;
    }
    const { atomic, managesContiguous } = this.#context;
    checkAttributes(flags, this.regime.attributeKind, !atomic);
    this.#template = new LeafTemplate(flags, constraints, managesContiguous, exact);
    this.#templateFlags = flags;
    this.#templateConstraints = constraints;
    return this.#template;
  }
}

/** @throws PageTableError InvalidFlags for TABLE_OR_PAGE, which only the engine sets */
function checkNoTable(flags: number): void {
  if ((lowWordOf(flags) & DescriptorLow.TableOrPage) === 0) return;
  const bits = unpackBits(flags);
  throw new PageTableError('InvalidFlags', 'TABLE_OR_PAGE is set by the engine', { bits });
}

function takeRoot(frames: FrameSource, atomic: boolean): number {
  try {
    const root = frames.take(true);
    frames.commit();
    return root;
  } catch (error) {
    if (atomic) frames.rollback();
    throw error;
  }
}

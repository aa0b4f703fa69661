import { hex } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { baseRegisterOf, baseRegisterValue, checkRegime } from './base-register.ts';
import type { BrokenRange } from './broken-range.ts';
import type { Descriptor, UpdatableDescriptor } from './descriptor.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { PageMapper } from './page-mapper.ts';
import type { Processor } from './processor.ts';
import type { AsidOption, AttributeKindOf, TranslationRegime, VaRangeOption } from './regime.ts';
import { RootTable } from './root-table.ts';
import type { TableOptions } from './table-options.ts';
import { deactivationMaintenance, StaleTranslations, type TlbMaintenance } from './tlb-maintenance.ts';

export type MappingOptions<R extends TranslationRegime> = TableOptions<R> & VaRangeOption<R> & AsidOption<R>;

const MAX_ASID = 0xffff;

/**
 * Tables of a translation regime and how many processors use them. While they are in use, changes that need
 * break-before-make are refused, and every change returns the TLB maintenance that it needs.
 */
export abstract class TableMapping<R extends TranslationRegime = TranslationRegime> {
  readonly #root: RootTable<R>;
  readonly #asid: number | undefined;
  readonly #stale: StaleTranslations;
  #activeCount = 0;
  /** As that of the root table. */
  protected readonly pageMapper: PageMapper;

  /**
   * An empty mapping.
   * @throws PageTableError as `RootTable`; RangeError for an ASID that is missing, not wanted, or beyond 16 bits
   */
  constructor(options: MappingOptions<R>) {
    const { regime, asid } = options;
    const valid = asid !== undefined && Number.isInteger(asid) && asid >= 0 && asid <= MAX_ASID;
    if (regime.hasAsid ? !valid : asid !== undefined) {
      throw new RangeError(
        regime.hasAsid ? `the ASID is ${asid}, not 0 to ${MAX_ASID}` : `${regime.name} has no ASID`,
      );
    }
    this.#asid = asid;
    this.#root = new RootTable(options);
    this.pageMapper = this.#root.pageMapper;
    this.#stale = new StaleTranslations(regime, asid ?? 0, this.#root.context.firstPage);
  }

  get regime(): R {
    return this.#root.regime;
  }

  /** Bytes of virtual address space that the tables translate. */
  get size(): bigint {
    return this.#root.size;
  }

  /** Physical address of the root table. */
  get rootAddress(): bigint {
    return this.#root.rootAddress;
  }

  /** The ASID; undefined where the regime has none. */
  get asid(): number | undefined {
    return this.#asid;
  }

  /** Whether any processor uses the tables. */
  get active(): boolean {
    return this.#activeCount > 0;
  }

  /** The tables. */
  protected get root(): RootTable<R> {
    return this.#root;
  }

  /**
   * Hands every block, page and invalid descriptor of a range to a callback that may change it, splitting what the
   * range covers in part. While the tables are in use, the callback is called for copies first.
   * @returns the TLB maintenance that the change needs
   * @throws PageTableError RegionBackwards, AddressRange, BreakBeforeMakeViolation; PteUpdateFault for whatever the
   *   callback throws; OutOfResources, UnalignedPageBase, TableOutsideMemory
   */
  modifyRange(
    region: MemoryRegion,
    update: (descriptor: UpdatableDescriptor<AttributeKindOf<R>>) => void,
  ): TlbMaintenance {
    return this.#root.modifyRange(region, update);
  }

  /** As `RootTable.walkRange`. */
  walkRange(region: MemoryRegion, visit: (descriptor: Descriptor<AttributeKindOf<R>>) => void): void {
    this.#root.walkRange(region, visit);
  }

  /** Unlinks every table whose entries are all zero. @returns the TLB maintenance that this needs */
  compactSubtables(): TlbMaintenance {
    return this.#root.compactSubtables();
  }

  /** As `RootTable.breakRange`: the first step of a change that needs break-before-make. */
  breakRange(region: MemoryRegion): BrokenRange<R> {
    return this.#root.breakRange(region);
  }

  /** The tables as text: a line for each table and for each run of alike entries. */
  print(): string {
    return this.#root.print();
  }

  /**
   * Loads the root table into the processor's TTBR0, TTBR1 or VTTBR, with the ASID, and counts the processor. Control
   * registers (TCR, MAIR, SCTLR) stay as they are.
   * @returns the register's previous value, for {@link deactivate}
   * @throws RangeError if the processor's registers are of another regime; whatever the installer throws
   */
  async activate(processor: Processor): Promise<bigint> {
    const { registers } = processor;
    checkRegime(this.regime, registers);
    const name = baseRegisterOf(this.regime, this.#root.vaRange);
    this.markActive();
    try {
      await processor.load({ ...registers, [name]: baseRegisterValue(this.rootAddress, this.#asid) });
    } catch (error) {
      this.markInactive();
      throw error;
    }
    return registers[name] ?? 0n;
  }

  /**
   * Gives the processor's register its previous value back.
   * @returns the TLB maintenance that must follow
   * @throws PageTableError NotActive if no processor uses the tables; whatever the installer throws
   */
  async deactivate(processor: Processor, previous: bigint): Promise<TlbMaintenance> {
    if (!this.active) throw this.#notActive();
    const name = baseRegisterOf(this.regime, this.#root.vaRange);
    await processor.load({ ...processor.registers, [name]: previous });
    this.markInactive();
    return deactivationMaintenance(this.regime);
  }

  /** The tables are in use by one more processor. */
  markActive(): void {
    this.#activeCount++;
    this.#root.setLive(this.#stale);
  }

  /** They are in use by one less. @throws PageTableError NotActive if no processor uses them */
  markInactive(): void {
    if (!this.active) throw this.#notActive();
    this.#activeCount--;
    if (this.#activeCount === 0) this.#root.setLive(undefined);
  }

  #notActive(): PageTableError {
    return new PageTableError('NotActive', `no processor uses the tables at ${hex(this.rootAddress)}`);
  }
}

import { MemoryRegion } from '../../../src/aarch64/mapping/memory-region.ts';
import type { RootTable } from '../../../src/aarch64/mapping/root-table.ts';
import type { QueriedPage } from '../types.ts';
import { pageOfLeaf } from './aarch64-leaf.ts';
import type { RegimeName } from './layout.ts';

/** Number of the first page of the upper half of 64-bit addresses. */
export const UPPER_HALF = 2 ** 51;

/** The trees of tables that were built for a layout. */
export class AArch64Tables {
  readonly regime: RegimeName;
  readonly lower: RootTable | undefined;
  readonly upper: RootTable | undefined;
  readonly #granulePages: number;
  readonly #pages = new Map<number, QueriedPage>();

  constructor(
    regime: RegimeName,
    granulePages: number,
    lower: RootTable | undefined,
    upper: RootTable | undefined,
  ) {
    this.regime = regime;
    this.#granulePages = granulePages;
    this.lower = lower;
    this.upper = upper;
  }

  /**
   * What the descriptor of a 4 KiB page says; undefined if there is none. Pages alike give the same object.
   * @throws PageTableError AddressRange for a page that the tree of its half does not translate
   */
  query(page: number): QueriedPage | undefined {
    const table = page < UPPER_HALF ? this.lower : this.upper;
    const first = page - (page % this.#granulePages);
    let found: QueriedPage | undefined;
    table?.walkRange(
      MemoryRegion.ofPages(first, first + this.#granulePages),
      ({ isValid, low, high, flags }) => {
        if (isValid) found = this.#pageOf(flags, low, high);
      },
    );
    return found;
  }

  #pageOf(flags: number, low: number, high: number): QueriedPage {
    const known = this.#pages.get(flags);
    if (known !== undefined) return known;
    const page = pageOfLeaf(this.regime, low, high);
    this.#pages.set(flags, page);
    return page;
  }
}

import { addressOfPage, hex } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { TableGeometry } from './table-geometry.ts';

/** Pages of the 64-bit address space, and of its lower half. */
const SPACE_PAGES = 2 ** 52;
const LOWER_PAGES = 2 ** 51;

/** The virtual addresses that a table tree translates: from address 0 on, or up to the last address. */
export class TranslatedRange {
  /** Number of the first page. */
  readonly firstPage: number;
  readonly pages: number;
  readonly #vaRange: 'lower' | 'upper';
  /** Of what the ends of a region must be multiples. */
  readonly #granulePages: number;

  constructor(vaRange: 'lower' | 'upper', { granulePages, pages }: TableGeometry) {
    this.#granulePages = granulePages;
    this.#vaRange = vaRange;
    this.pages = pages;
    this.firstPage = vaRange === 'lower' ? 0 : SPACE_PAGES - pages;
  }

  /**
   * A region's first page and the one behind its last, relative to {@link firstPage}.
   * @throws PageTableError RegionBackwards, AddressRange; UnalignedAddress for a region that has a part of a page of a
   *   granule above 4 KiB; RangeError for what is no region, which only plain JavaScript can pass
   */
  relative({ startPage, endPage }: Pick<MemoryRegion, 'startPage' | 'endPage'>): {
    page: number;
    end: number;
  } {
    const { firstPage } = this;
    if (!(endPage >= startPage)) {
      if (!(endPage < startPage)) throw new RangeError('the region is no MemoryRegion: it has no pages');
      const [start, end] = [addressOfPage(startPage), addressOfPage(endPage)];
      throw new PageTableError('RegionBackwards', `the range ends at ${hex(end)}, before it starts`, {
        start,
        end,
      });
    }
    if (this.#vaRange === 'lower') {
      if (startPage >= LOWER_PAGES) throw this.#outside(startPage);
      if (endPage > this.pages) throw this.#outside(endPage);
    } else if (startPage < firstPage) throw this.#outside(startPage);
    if (this.#granulePages > 1) {
      this.#checkAlignment(startPage);
      this.#checkAlignment(endPage);
    }
    return { page: startPage - firstPage, end: endPage - firstPage };
  }

  #checkAlignment(page: number): void {
    if (page % this.#granulePages === 0) return;
    const va = addressOfPage(page);
    const granule = addressOfPage(this.#granulePages);
    throw new PageTableError(
      'UnalignedAddress',
      `the range begins or ends at ${hex(va)}, which is no multiple of ${granule}`,
      { va },
    );
  }

  #outside(page: number): PageTableError {
    const va = addressOfPage(page);
    const first = addressOfPage(this.firstPage);
    const last = first + addressOfPage(this.pages) - 1n;
    return new PageTableError(
      'AddressRange',
      `${hex(va)} is not within ${hex(first)} to ${hex(last)}, which the tables translate`,
      { va },
    );
  }
}

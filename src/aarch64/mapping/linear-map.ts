import { addressOfPage, FRAME_SIZE, hex } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { DescriptorLow } from '../descriptor-bits.ts';
import { type ConstraintBits, Constraints } from './constraints.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { AttributesOf, TranslationRegime } from './regime.ts';
import { type MappingOptions, TableMapping } from './table-mapping.ts';
import { NO_MAINTENANCE, type TlbMaintenance } from './tlb-maintenance.ts';

export type LinearMapOptions<R extends TranslationRegime> = MappingOptions<R> & {
  /** Output address minus virtual address, which counts as signed: negative in the upper range. In bytes. */
  readonly offset: bigint | number;
};

const SPACE_PAGES = 2 ** 52;
/** Pages from 0 on that a signed 64-bit address can name. */
const SIGNED_PAGES = 2 ** 51;

/** A mapping of every address to the one a fixed, signed offset away. */
export class LinearMap<R extends TranslationRegime = TranslationRegime> extends TableMapping<R> {
  /** Output address minus virtual address, in bytes. */
  readonly offset: bigint;
  readonly #offsetPages: number;

  /** @throws as `Mapping`; PageTableError InvalidOffset for an offset that is no multiple of 4096 or beyond 64 bits */
  constructor(options: LinearMapOptions<R>) {
    const offset = BigInt(options.offset);
    if (offset % BigInt(FRAME_SIZE) !== 0n || BigInt.asIntN(64, offset) !== offset) {
      throw new PageTableError(
        'InvalidOffset',
        `the offset ${hex(offset)} is no multiple of ${FRAME_SIZE} in 64 bits`,
        { offset },
      );
    }
    super(options);
    const { granulePages } = this.root.context.geometry;
    this.offset = offset;
    this.#offsetPages = Number(offset / BigInt(FRAME_SIZE));
    if (this.#offsetPages % granulePages !== 0) {
      throw new PageTableError(
        'InvalidOffset',
        `the offset ${hex(offset)} is no multiple of ${granulePages * FRAME_SIZE}`,
        { offset },
      );
    }
  }

  /**
   * Maps a range to the addresses an offset away. Without VALID in `flags` it unmaps the range.
   * @returns the TLB maintenance that the change needs
   * @throws PageTableError InvalidVirtualAddress if address + offset is negative or overflows, at the start or, when
   *   mapping, anywhere in the range; and as `Mapping.mapRange`
   */
  mapRange(
    region: MemoryRegion,
    flags: AttributesOf<R>,
    constraints: ConstraintBits = Constraints.None,
  ): TlbMaintenance {
    const { startPage, endPage } = region;
    const signedStart = startPage < SIGNED_PAGES ? startPage : startPage - SPACE_PAGES;
    const frame = signedStart + this.#offsetPages;
    if (frame < 0 || frame >= SIGNED_PAGES) throw this.#invalid(startPage);
    const mapped = (flags & DescriptorLow.Valid) !== 0 ? endPage - startPage : 0;
    if (frame + mapped > SIGNED_PAGES) throw this.#invalid(startPage + SIGNED_PAGES - frame);
    if (mapped === 1 && this.pageMapper.map(startPage, frame, flags)) return NO_MAINTENANCE;
    return this.root.mapFrames(startPage, endPage, frame, flags, constraints);
  }

  #invalid(page: number): PageTableError {
    const va = addressOfPage(page);
    return new PageTableError(
      'InvalidVirtualAddress',
      `${hex(va)} with the offset ${hex(this.offset)} is no address`,
      { va },
    );
  }
}

import { PageTableError } from '../../errors.ts';
import type { MappingContext } from './mapping-context.ts';
import type { RangeMapper } from './range-mapper.ts';
import {
  entryIndex,
  firstPageOfEntry,
  frameOf,
  isTable,
  isValidLeaf,
  LAST_LEVEL,
  pagesPerEntry,
  WORDS,
} from './table-geometry.ts';
import type { DescriptorPlace, UpdatableDescriptor } from './updatable-descriptor.ts';

/** Hands every descriptor of a range to a callback that may change it, splitting what is covered in part. */
export class RangeModifier {
  readonly #context: MappingContext;
  readonly #mapper: RangeMapper;
  readonly #place: DescriptorPlace;
  readonly #descriptor: UpdatableDescriptor;
  #update: () => void = () => {};

  /** @param place the place at which `descriptor` looks */
  constructor(
    context: MappingContext,
    mapper: RangeMapper,
    place: DescriptorPlace,
    descriptor: UpdatableDescriptor,
  ) {
    this.#context = context;
    this.#mapper = mapper;
    this.#place = place;
    this.#descriptor = descriptor;
  }

  /**
   * Changes the descriptors of the pages from `page` up to `end`.
   * @throws PageTableError PteUpdateFault with the bits that the descriptor had, for whatever `update` throws
   */
  modify(page: number, end: number, update: () => void): void {
    const { rootFrame, rootLevel, stale } = this.#context;
    this.#update = update;
    this.#descriptor.live = stale !== undefined;
    this.#modifyTable(rootFrame, rootLevel, page, end, true);
  }

  /** Changes what one entry that is not linked maps: `words` need not be in a table. */
  modifyWithin(words: Uint32Array, level: number, page: number, end: number, update: () => void): void {
    this.#update = update;
    this.#descriptor.live = false;
    this.#modifyEntry(words, 0, level, page, end, false);
  }

  #modifyTable(tableFrame: number, level: number, firstPage: number, end: number, guarded: boolean): void {
    const { atomic, journal, tables } = this.#context;
    const start = tables.locate(tableFrame);
    const words = tables.words;
    let at = start + entryIndex(firstPage, level) * WORDS;
    if (level === LAST_LEVEL) {
      if (guarded && atomic) journal.save(words, at, (end - firstPage) * WORDS);
      this.#modifyPages(words, at, firstPage, end);
      return;
    }
    const pages = pagesPerEntry(level);
    for (let page = firstPage; page < end; at += WORDS) {
      const stop = Math.min(firstPageOfEntry(page, level) + pages, end);
      this.#modifyEntry(words, at, level, page, stop, guarded);
      page = stop;
    }
  }

  #modifyEntry(
    words: Uint32Array,
    at: number,
    level: number,
    page: number,
    stop: number,
    guarded: boolean,
  ): void {
    const low = words[at] as number;
    if (isTable(low, level)) {
      this.#modifyTable(frameOf(low, words[at + 1] as number), level + 1, page, stop, guarded);
    } else if (stop - page < pagesPerEntry(level)) {
      const child = this.#mapper.split(words, at, level, page, guarded);
      this.#modifyTable(child, level + 1, page, stop, false);
    } else {
      if (guarded && this.#context.atomic) this.#context.journal.save(words, at, WORDS);
      const place = this.#place;
      place.words = words;
      place.at = at;
      place.level = level;
      place.page = page;
      place.end = stop;
      this.#call(low, words[at + 1] as number);
    }
  }

  #modifyPages(words: Uint32Array, firstAt: number, firstPage: number, end: number): void {
    const place = this.#place;
    place.words = words;
    place.level = LAST_LEVEL;
    let at = firstAt;
    for (let page = firstPage; page < end; page++) {
      place.at = at;
      place.page = page;
      place.end = page + 1;
      this.#call(words[at] as number, words[at + 1] as number);
      at += WORDS;
    }
  }

  /** Calls back for the descriptor at the place, which is `low`, `high`. */
  #call(low: number, high: number): void {
    const descriptor = this.#descriptor;
    descriptor.reset();
    try {
      this.#update();
    } catch (cause) {
      throw updateFault(cause, low, high);
    }
    const { stale } = this.#context;
    if (stale !== undefined && descriptor.updated) {
      const { page, level } = this.#place;
      if (isValidLeaf(low, level)) stale.changed(page);
      else stale.written();
    }
  }
}

/** What a callback threw, as the original reports it: with the bits that the descriptor had. */
function updateFault(cause: unknown, low: number, high: number): PageTableError {
  const bits = (BigInt(high) << 32n) | BigInt(low);
  if (cause instanceof PageTableError && cause.code === 'PteUpdateFault' && cause.details.bits === bits)
    return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new PageTableError('PteUpdateFault', `the update failed: ${message}`, { bits }, { cause });
}

import { entryFrame } from './entry-words.ts';
import { NO_ENTRY, PageWalk } from './page-walk.ts';
import type { RegionMapper } from './region-mapper.ts';
import type { TableContext } from './table-context.ts';
import {
  entryIndex,
  HIGHEST_LEAF_LEVEL,
  nextEntryPage,
  pagesPerEntry,
  WORDS_PER_ENTRY,
} from './table-geometry.ts';

/**
 * Unmaps page runs: present leaves become zero entries, large pages of which a part stays mapped are split.
 * Tables stay, even empty ones, and so do entries that are not present.
 */
export class RegionUnmapper {
  readonly #context: TableContext;
  readonly #mapper: RegionMapper;
  readonly #walk: PageWalk;

  constructor(context: TableContext, mapper: RegionMapper) {
    this.#context = context;
    this.#mapper = mapper;
    this.#walk = new PageWalk(context);
  }

  /** Unmaps `count` pages from `page` on. */
  unmap(page: number, count: number): void {
    const { format, rootFrame, rootLevel, atomic } = this.#context;
    if (count === 1) {
      const at = this.#walk.find(page);
      if (at !== NO_ENTRY) {
        // Nothing can fail behind this single store, so it needs no journal.
        const words = this.#walk.words;
        if (((words[at] as number) & format.present) !== 0) {
          words[at] = 0;
          words[at + 1] = 0;
        }
        return;
      }
    }
    this.#unmapTable(rootFrame, rootLevel, page, page + count, atomic);
  }

  #unmapTable(frame: number, level: number, firstPage: number, end: number, guarded: boolean): void {
    const { format, journal, tables } = this.#context;
    const start = tables.locate(frame);
    const words = tables.words;
    let at = start + entryIndex(firstPage, level) * WORDS_PER_ENTRY;
    if (level === 1) {
      this.#clearPages(words, at, end - firstPage, guarded);
      return;
    }
    const pages = pagesPerEntry(level);
    for (let page = firstPage; page < end; at += WORDS_PER_ENTRY) {
      const boundary = nextEntryPage(page, level);
      const stop = boundary < end ? boundary : end;
      const low = words[at] as number;
      if ((low & format.present) !== 0) {
        const leaf = level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue;
        if (leaf && stop - page === pages) {
          if (guarded) journal.save(words, at, WORDS_PER_ENTRY);
          words[at] = 0;
          words[at + 1] = 0;
        } else {
          if (leaf) this.#mapper.split(words, at, level, page, guarded);
          const child = entryFrame(format, words[at] as number, words[at + 1] as number);
          this.#unmapTable(child, level - 1, page, stop, guarded && !leaf);
        }
      }
      page = stop;
    }
  }

  /** Zeroes the present ones among `count` entries of a last-level table. */
  #clearPages(words: Uint32Array, at: number, count: number, guarded: boolean): void {
    const { present } = this.#context.format;
    const end = at + count * WORDS_PER_ENTRY;
    if (guarded) this.#context.journal.save(words, at, end - at);
    for (let word = at; word < end; word += WORDS_PER_ENTRY) {
      if (((words[word] as number) & present) !== 0) {
        words[word] = 0;
        words[word + 1] = 0;
      }
    }
  }
}

import { PageWalk } from '../memory/page-walk.ts';
import { entryFrame } from './entry-words.ts';
import type { RegionMapper } from './region-mapper.ts';
import { type TableContext, walkedTables } from './table-context.ts';
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
  /** Whether what the operation overwrites in tables that existed before is to be saved. */
  #journalled = false;

  constructor(context: TableContext, mapper: RegionMapper) {
    this.#context = context;
    this.#mapper = mapper;
    this.#walk = new PageWalk(walkedTables(context));
  }

  /** Unmaps `count` pages from `page` on. */
  unmap(page: number, count: number): void {
    const { atomic, rootFrame, rootLevel } = this.#context;
    this.#journalled = atomic && this.#mayFail(rootFrame, rootLevel, page, page + count);
    this.#unmapTable(rootFrame, rootLevel, page, page + count, true);
  }

  /**
   * Unmaps one page, given as {@link PageWalk.find} takes it, if its last-level table is there.
   * @returns false if nothing was done, because more may be needed than one store
   */
  unmapPage(upper: number, lower: number): boolean {
    const at = this.#walk.find(upper, lower);
    if (at < 0) return false;
    const words = this.#walk.words;
    if (((words[at] as number) & this.#context.format.present) !== 0) {
      words[at] = 0;
      words[at + 1] = 0;
    }
    return true;
  }

  /**
   * Whether unmapping can fail: only where a large page must be split, or a table lies outside the memory. Zeroing
   * entries makes neither, so the answer holds while the operation runs.
   */
  #mayFail(frame: number, level: number, firstPage: number, end: number): boolean {
    const { format, tables } = this.#context;
    if (!tables.holds(frame)) return true;
    if (level === 1) return false;
    let at = tables.locate(frame) + entryIndex(firstPage, level) * WORDS_PER_ENTRY;
    const words = tables.words;
    const pages = pagesPerEntry(level);
    for (let page = firstPage; page < end; at += WORDS_PER_ENTRY) {
      const boundary = nextEntryPage(page, level);
      const stop = boundary < end ? boundary : end;
      const low = words[at] as number;
      if ((low & format.present) !== 0) {
        if (level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue) {
          if (stop - page !== pages) return true;
        } else if (this.#mayFail(entryFrame(format, low, words[at + 1] as number), level - 1, page, stop)) {
          return true;
        }
      }
      page = stop;
    }
    return false;
  }

  #unmapTable(frame: number, level: number, firstPage: number, end: number, isOld: boolean): void {
    const { format, journal, tables } = this.#context;
    const start = tables.locate(frame);
    const words = tables.words;
    let at = start + entryIndex(firstPage, level) * WORDS_PER_ENTRY;
    if (level === 1) {
      this.#clearPages(words, at, end - firstPage, isOld);
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
          if (isOld && this.#journalled) journal.save(words, at, WORDS_PER_ENTRY);
          words[at] = 0;
          words[at + 1] = 0;
        } else {
          if (leaf) this.#mapper.split(words, at, level, page, isOld);
          const child = entryFrame(format, words[at] as number, words[at + 1] as number);
          this.#unmapTable(child, level - 1, page, stop, isOld && !leaf);
        }
      }
      page = stop;
    }
  }

  /** Zeroes the present ones among `count` entries of a last-level table. */
  #clearPages(words: Uint32Array, at: number, count: number, isOld: boolean): void {
    const { format, journal } = this.#context;
    const present = format.present | 0;
    const from = at | 0;
    const end = (at + count * WORDS_PER_ENTRY) | 0;
    if (isOld && this.#journalled) journal.save(words, from, end - from);
    for (let word = from; word < end; word += WORDS_PER_ENTRY) {
      if (((words[word] as number) & present) !== 0) {
        words[word] = 0;
        words[word | 1] = 0;
      }
    }
  }
}

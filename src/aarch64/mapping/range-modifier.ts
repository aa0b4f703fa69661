import { wordsToBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import { breakRun, isUniform, runStart } from './contiguous-hint.ts';
import type { MappingContext } from './mapping-context.ts';
import type { RangeMapper } from './range-mapper.ts';
import { frameOf, isTable, isValidLeaf, LAST_LEVEL, TYPE_MASK, WORDS } from './table-geometry.ts';
import type { StaleTranslations } from './tlb-maintenance.ts';
import type { UpdatableCursor } from './updatable-cursor.ts';

/** Copies of imported constants, which V8 would read anew in every iteration. */
const STRIDE: number = WORDS;
const TYPE: number = TYPE_MASK;

/** Changes the descriptor that it is shown. */
export type Update = (descriptor: UpdatableCursor) => void;

/** Hands every descriptor of a range to a callback that may change it, splitting what is covered in part. */
export class RangeModifier {
  readonly #context: MappingContext;
  readonly #mapper: RangeMapper;
  readonly #cursor: UpdatableCursor;
  #update: Update = () => {};

  constructor(context: MappingContext, mapper: RangeMapper, cursor: UpdatableCursor) {
    this.#context = context;
    this.#mapper = mapper;
    this.#cursor = cursor;
  }

  /**
   * Changes the descriptors of the pages from `page` up to `end`.
   * @throws PageTableError PteUpdateFault with the bits that the descriptor had, for whatever `update` throws
   */
  modify(page: number, end: number, update: Update): void {
    const { rootFrame, rootLevel, stale } = this.#context;
    this.#cursor.begin(stale !== undefined);
    this.#guarded(update, () => this.#modifyTable(rootFrame, rootLevel, page, end, true));
  }

  /** Changes what one entry that is not linked maps: `words` need not be in a table. */
  modifyWithin(words: Uint32Array, level: number, page: number, end: number, update: Update): void {
    this.#cursor.begin(false);
    const whole = end - page === this.#context.geometry.pagesPerEntry(level);
    this.#guarded(update, () => {
      if (whole) this.#modifyLeaf(words, 0, level, page, false);
      else this.#modifyEntry(words, 0, level, page, end, false);
    });
  }

  #guarded(update: Update, run: () => void): void {
    const cursor = this.#cursor;
    this.#update = update;
    try {
      run();
    } catch (cause) {
      throw cursor.visiting ? updateFault(cause, cursor.oldLow, cursor.oldHigh) : cause;
    }
  }

  #modifyTable(tableFrame: number, level: number, firstPage: number, end: number, guarded: boolean): void {
    if (firstPage >= end) return;
    const { atomic, geometry, hinted, journal, tables } = this.#context;
    const start = tables.locate(tableFrame);
    const words = tables.words;
    let at = start + geometry.entryIndex(firstPage, level) * WORDS;
    const pages = geometry.pagesPerEntry(level);
    if (level === LAST_LEVEL) {
      const endAt = at + geometry.entryCount(end - firstPage, level) * WORDS;
      if (guarded && atomic) journal.save(words, at, endAt - at);
      if (hinted) this.#modifyRuns(words, at, endAt, firstPage, guarded);
      else this.#modifyPages(words, at, endAt, firstPage, guarded);
      return;
    }
    for (let page = firstPage; page < end; at += WORDS) {
      const stop = Math.min(geometry.firstPageOfEntry(page, level) + pages, end);
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
    const context = this.#context;
    const low = words[at] as number;
    if (isTable(low, level)) {
      this.#modifyTable(frameOf(low, words[at + 1] as number), level + 1, page, stop, guarded);
    } else if (stop - page < context.geometry.pagesPerEntry(level)) {
      // The check has found that the callback changes nothing here. The original splits the live block all the same.
      const live = guarded && context.stale !== undefined;
      if (live && context.atomic && isValidLeaf(low, level)) return;
      const child = this.#mapper.split(words, at, level, page, guarded);
      this.#modifyTable(child, level + 1, page, stop, false);
    } else {
      if (guarded && context.atomic) context.journal.save(words, at, WORDS);
      this.#modifyLeaf(words, at, level, page, guarded);
      if (context.hinted) this.#settleRun(words, at, level, guarded);
    }
  }

  /** Calls back for one descriptor above the last level, or for one that is not linked. */
  #modifyLeaf(words: Uint32Array, at: number, level: number, page: number, guarded: boolean): void {
    const cursor = this.#cursor;
    cursor.enterEntry(words, at, level, page, this.#context.geometry.pagesPerEntry(level));
    cursor.visiting = true;
    this.#update(cursor);
    cursor.visiting = false;
    const { lowWord: low, highWord: high, oldLow } = cursor;
    if (!cursor.updated) return;
    words[at] = low;
    words[at + 1] = high;
    const { stale } = this.#context;
    if (stale === undefined || !guarded) return;
    if (isValidLeaf(oldLow, level)) stale.changed(page);
    else stale.written();
  }

  /** Calls back for the page descriptors from word `firstAt` up to word `endAt`. */
  #modifyPages(
    words: Uint32Array,
    firstAt: number,
    endAt: number,
    firstPage: number,
    guarded: boolean,
  ): void {
    const { stale } = this.#context;
    if (guarded && stale !== undefined) {
      this.#modifyLivePages(words, firstAt, endAt, firstPage, stale);
      return;
    }
    const cursor = this.#cursor;
    const update = this.#update;
    cursor.enterPages(words, firstAt, firstPage);
    cursor.visiting = true;
    for (let at = firstAt; at < endAt; at += STRIDE) {
      const low = (words[at] as number) | 0;
      const high = (words[at + 1] as number) | 0;
      cursor.at = at;
      cursor.lowWord = low;
      cursor.highWord = high;
      update(cursor);
      words[at] = cursor.lowWord;
      words[at + 1] = cursor.highWord;
    }
    cursor.visiting = false;
  }

  /** As {@link #modifyPages}, in tables that are in use: notes what a TLB may hold of the old descriptors. */
  #modifyLivePages(
    words: Uint32Array,
    firstAt: number,
    endAt: number,
    firstPage: number,
    stale: StaleTranslations,
  ): void {
    const cursor = this.#cursor;
    const update = this.#update;
    const gathers = !stale.isFull;
    cursor.enterPages(words, firstAt, firstPage);
    cursor.visiting = true;
    for (let at = firstAt; at < endAt; at += STRIDE) {
      const low = (words[at] as number) | 0;
      const high = (words[at + 1] as number) | 0;
      cursor.at = at;
      cursor.lowWord = low;
      cursor.highWord = high;
      update(cursor);
      const newLow = cursor.lowWord;
      const newHigh = cursor.highWord;
      if (newLow === low && newHigh === high) continue;
      words[at] = newLow;
      words[at + 1] = newHigh;
      if ((low & TYPE) !== TYPE) stale.written();
      else if (gathers) stale.changed(cursor.page);
    }
    cursor.visiting = false;
  }

  /** As {@link #modifyPages}, run by run: a run that is no longer uniform loses the contiguous bit. */
  #modifyRuns(words: Uint32Array, firstAt: number, endAt: number, firstPage: number, guarded: boolean): void {
    const { geometry } = this.#context;
    const runWords = geometry.runWords(LAST_LEVEL);
    for (let at = firstAt; at < endAt; ) {
      const next = Math.min(runStart(at, runWords) + runWords, endAt);
      const page = firstPage + ((at - firstAt) >> 1) * geometry.granulePages;
      this.#modifyPages(words, at, next, page, guarded);
      this.#settleRun(words, at, LAST_LEVEL, guarded);
      at = next;
    }
  }

  #settleRun(words: Uint32Array, at: number, level: number, guarded: boolean): void {
    const { geometry } = this.#context;
    const runWords = geometry.runWords(level);
    const start = runStart(at, runWords);
    if (isUniform(geometry, words, start, level)) return;
    for (let entry = start; entry < start + runWords; entry += WORDS) {
      breakRun(this.#context, words, entry, level, guarded);
    }
  }
}

/** What a callback threw, as the original reports it: with the bits that the descriptor had. */
export function updateFault(cause: unknown, low: number, high: number): PageTableError {
  const bits = wordsToBigInt(low, high);
  if (cause instanceof PageTableError && cause.code === 'PteUpdateFault' && cause.details.bits === bits) {
    return cause;
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new PageTableError('PteUpdateFault', `the callback failed: ${message}`, { bits }, { cause });
}

import { FRAME_SIZE } from '../../addresses.ts';
import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import { LOW_MASK, packHigh, packLow } from './attribute-words.ts';
import { Constraints } from './constraints.ts';
import { breakRun, hintBlocks, wholeRuns } from './contiguous-hint.ts';
import { LeafTemplate } from './leaf-template.ts';
import type { MappingContext } from './mapping-context.ts';
import {
  addressHigh,
  addressLow,
  frameOf,
  isTable,
  isValidLeaf,
  LAST_LEVEL,
  WORDS,
} from './table-geometry.ts';
import type { StaleTranslations } from './tlb-maintenance.ts';

/** Copies of imported constants: V8 reads an imported binding anew in every iteration of a loop. */
const STRIDE: number = WORDS;
const PAGE_BYTES: number = FRAME_SIZE;

/**
 * Maps runs of pages to runs of frames: with blocks where a whole entry is covered and no table is there, splitting
 * blocks that are covered in part. `guarded` says of a table that it existed before the operation: only then do its
 * entries go to the journal, and only then can a TLB hold them.
 */
export class RangeMapper {
  readonly #context: MappingContext;
  #template = new LeafTemplate(0, Constraints.None, false);

  constructor(context: MappingContext) {
    this.#context = context;
  }

  /** Maps the pages from `page` up to `end` to the frames from `frame` on. */
  map(page: number, end: number, frame: number, template: LeafTemplate): void {
    this.#template = template;
    const { rootFrame, rootLevel } = this.#context;
    this.#mapTable(rootFrame, rootLevel, page, end, frame, true);
  }

  /** Maps pages of one entry that is not linked: `words` need not be in a table. */
  mapWithin(
    words: Uint32Array,
    level: number,
    page: number,
    end: number,
    frame: number,
    template: LeafTemplate,
  ): void {
    this.#template = template;
    if (level === LAST_LEVEL) this.#writeLeaf(words, 0, level, page, frame, false);
    else this.#mapEntry(words, 0, level, page, end, frame, false);
  }

  /**
   * Replaces an entry that leads to no table by a table. What a block maps its parts map in the same way; an
   * invalid entry's attributes go into all entries of the new table.
   * @param whole whether the caller will write every entry of the table
   * @returns the table's frame
   */
  split(
    words: Uint32Array,
    at: number,
    level: number,
    page: number,
    guarded: boolean,
    whole = false,
  ): number {
    const { frames, geometry, hinted, journal, stale, atomic } = this.#context;
    const child = whole && level === LAST_LEVEL - 1 ? frames.takeUncleared(false) : frames.take(false);
    if (hinted) breakRun(this.#context, words, at, level, guarded);
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if ((low & DescriptorLow.TableOrPage) === 0 && (low | high) !== 0) {
      const outer = this.#template;
      const first = geometry.firstPageOfEntry(page, level);
      const frame = isValidLeaf(low, level) ? geometry.leafFrameOf(low, high, level) : frameOf(low, high);
      this.#template = templateOfEntry(low, high, this.#context.managesContiguous, outer.hint);
      this.#mapTable(child, level + 1, first, first + geometry.pagesPerEntry(level), frame, false);
      this.#template = outer;
    }
    if (guarded) {
      if (atomic) journal.save(words, at, WORDS);
      stale?.written();
    }
    words[at] = addressLow(child) | DescriptorLow.TableOrPage | DescriptorLow.Valid;
    words[at + 1] = addressHigh(child);
    return child;
  }

  #mapTable(
    tableFrame: number,
    level: number,
    firstPage: number,
    end: number,
    firstFrame: number,
    guarded: boolean,
  ): void {
    const { geometry, tables } = this.#context;
    const start = tables.locate(tableFrame);
    const words = tables.words;
    const pages = geometry.pagesPerEntry(level);
    if (level === LAST_LEVEL) {
      const count = geometry.entryCount(end - firstPage, level);
      this.#mapPages(words, start, firstPage, count, firstFrame, guarded);
      return;
    }
    const from = start + geometry.entryIndex(firstPage, level) * WORDS;
    let page = firstPage;
    let frame = firstFrame;
    let at = from;
    while (page < end) {
      const stop = Math.min(geometry.firstPageOfEntry(page, level) + pages, end);
      this.#mapEntry(words, at, level, page, stop, frame, guarded);
      frame += stop - page;
      page = stop;
      at += WORDS;
    }
    const live = guarded && this.#context.stale !== undefined;
    if (this.#template.hint && level >= geometry.firstBlockLevel && !live) {
      hintBlocks(this.#context, words, from, at, level, guarded);
    }
  }

  /** Maps pages that all lie in one entry above the last level. */
  #mapEntry(
    words: Uint32Array,
    at: number,
    level: number,
    page: number,
    stop: number,
    frame: number,
    guarded: boolean,
  ): void {
    const { geometry } = this.#context;
    const template = this.#template;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    const pages = geometry.pagesPerEntry(level);
    const whole = stop - page === pages;
    const table = isTable(low, level);
    if (!table) {
      if (template.isMappedBy(geometry, low, high, level, page, frame)) return;
      if (whole && level >= geometry.firstBlockLevel && template.blocks && frame % pages === 0) {
        this.#writeLeaf(words, at, level, page, frame, guarded);
        return;
      }
    } else if (whole && !template.valid) {
      this.#writeLeaf(words, at, level, page, frame, guarded);
      this.#unlink(frameOf(low, high), level + 1, page, guarded);
      return;
    }
    // A live block that is unmapped may become a table of invalid entries only when it is invalid itself.
    const live = guarded && this.#context.stale !== undefined;
    if (live && !table && isValidLeaf(low, level)) this.#writeLeaf(words, at, level, page, frame, guarded);
    const child = table ? frameOf(low, high) : this.split(words, at, level, page, guarded, whole);
    this.#mapTable(child, level + 1, page, stop, frame, guarded && table);
  }

  /** Writes one leaf, or makes one entry invalid. */
  #writeLeaf(
    words: Uint32Array,
    at: number,
    level: number,
    page: number,
    frame: number,
    guarded: boolean,
  ): void {
    const { atomic, hinted, journal, stale } = this.#context;
    if (hinted) breakRun(this.#context, words, at, level, guarded);
    if (guarded) {
      if (atomic) journal.save(words, at, WORDS);
      const low = words[at] as number;
      if (isValidLeaf(low, level) && !isTable(low, level)) stale?.changed(page);
      else stale?.written();
    }
    words[at] = this.#template.lowFor(level, frame);
    words[at + 1] = this.#template.highFor(frame);
  }

  /** Writes `count` page descriptors of one table. */
  #mapPages(
    words: Uint32Array,
    start: number,
    page: number,
    count: number,
    frame: number,
    guarded: boolean,
  ): void {
    const { atomic, geometry, hinted, journal, stale } = this.#context;
    const template = this.#template;
    const index = geometry.entryIndex(page, LAST_LEVEL);
    const at = start + index * WORDS;
    const end = at + count * WORDS;
    if (guarded) {
      if (atomic) journal.save(words, at, count * WORDS);
      if (stale !== undefined) {
        this.#mapLivePages(words, start, page, count, frame);
        return;
      }
    }
    if (hinted) this.#breakRunsAtEnds(words, at, end, guarded);
    const pages = geometry.granulePages;
    const runEntries = geometry.runEntries(LAST_LEVEL);
    if (!template.hint || count < runEntries) {
      fillPages(words, at, end, frame, pages, template, 0);
      return;
    }
    const [first, last] = wholeRuns(index, count, frame / pages, runEntries);
    const firstAt = start + first * WORDS;
    const lastAt = start + last * WORDS;
    if (first < last) this.#context.hinted = true;
    const runsFrame = frame + (first - index) * pages;
    fillPages(words, at, firstAt, frame, pages, template, 0);
    fillPages(words, firstAt, lastAt, runsFrame, pages, template, DescriptorHigh.Contiguous);
    fillPages(words, lastAt, end, frame + (last - index) * pages, pages, template, 0);
  }

  /** As {@link RangeMapper.map}, in tables that are in use: what is mapped already is not written again. */
  #mapLivePages(words: Uint32Array, start: number, page: number, count: number, frame: number): void {
    const stale = this.#context.stale as StaleTranslations;
    const template = this.#template;
    const { geometry } = this.#context;
    const pages = geometry.granulePages;
    const runEntries = geometry.runEntries(LAST_LEVEL);
    const index = geometry.entryIndex(page, LAST_LEVEL);
    const [firstHint, endHint] = template.hint ? wholeRuns(index, count, frame / pages, runEntries) : [0, 0];
    let hint = 0;
    for (let k = 0; k < count; k++) {
      const entry = index + k;
      const at = start + entry * WORDS;
      if (entry % runEntries === 0) {
        const hintable = entry >= firstHint && entry < endHint && !anyValid(words, at, runEntries);
        hint = hintable ? DescriptorHigh.Contiguous : 0;
      }
      const output = frame + k * pages;
      const low = template.lowFor(LAST_LEVEL, output);
      const high = template.highFor(output);
      const oldLow = words[at] as number;
      const oldHigh = words[at + 1] as number;
      if (low === (oldLow | 0) && ((high ^ oldHigh) & ~template.ignoredHigh) === 0) continue;
      if (isValidLeaf(oldLow, LAST_LEVEL)) stale.changed(page + k * pages);
      else stale.written();
      words[at] = low;
      const kept = template.valid && isValidLeaf(oldLow, LAST_LEVEL) ? oldHigh & template.ignoredHigh : hint;
      words[at + 1] = high | kept;
      if (kept !== 0) this.#context.hinted = true;
    }
  }

  #breakRunsAtEnds(words: Uint32Array, at: number, end: number, guarded: boolean): void {
    const runWords = this.#context.geometry.runWords(LAST_LEVEL);
    if (at % runWords !== 0) breakRun(this.#context, words, at, LAST_LEVEL, guarded);
    if (end % runWords !== 0) breakRun(this.#context, words, end - WORDS, LAST_LEVEL, guarded);
  }

  /** Gives back a table that is no longer linked, and every table below it. */
  #unlink(tableFrame: number, level: number, firstPage: number, guarded: boolean): void {
    const { geometry, tables, release } = this.#context;
    const stale = guarded ? this.#context.stale : undefined;
    const start = tables.locate(tableFrame);
    const words = tables.words;
    const pages = geometry.pagesPerEntry(level);
    const entries = geometry.entriesAt(level);
    // An invalidation by any address below an entry takes the entry of the walk, too.
    stale?.changed(firstPage);
    for (let entry = 0; entry < entries; entry++) {
      const low = words[start + entry * WORDS] as number;
      const page = firstPage + entry * pages;
      if (isTable(low, level)) {
        this.#unlink(frameOf(low, words[start + entry * WORDS + 1] as number), level + 1, page, guarded);
      } else if (entry > 0 && isValidLeaf(low, level)) stale?.changed(page);
    }
    release.unlinked(tableFrame);
  }
}

/** The template that gives other entries the content of one that leads to no table. */
function templateOfEntry(low: number, high: number, managed: boolean, hint: boolean): LeafTemplate {
  const nT = (low & DescriptorLow.Valid) === 0 ? 0 : packLow(low & DescriptorLow.NoTranslation);
  const packed = packLow(low & LOW_MASK) | packHigh(high) | nT;
  return new LeafTemplate(packed, hint ? Constraints.None : Constraints.NoContiguousHint, managed);
}

function anyValid(words: Uint32Array, runAt: number, runEntries: number): boolean {
  for (let at = runAt; at < runAt + runEntries * WORDS; at += WORDS) {
    if (((words[at] as number) & DescriptorLow.Valid) !== 0) return true;
  }
  return false;
}

/**
 * Writes page descriptors for consecutive outputs, or the same invalid descriptor everywhere.
 * @param pages frames of a page
 */
function fillPages(
  words: Uint32Array,
  at: number,
  end: number,
  frame: number,
  pages: number,
  template: LeafTemplate,
  extraHigh: number,
): void {
  const step = template.valid ? (pages * PAGE_BYTES) >>> 0 : 0;
  // In 32-bit integers throughout: an unsigned word would make this loop one of doubles.
  let low = template.lowFor(LAST_LEVEL, frame) | 0;
  let high = template.highFor(frame) | extraHigh;
  const endAt = end | 0;
  for (let word = at | 0; word < endAt; word += STRIDE) {
    words[word] = low;
    words[word + 1] = high;
    low = (low + step) | 0;
    if (low >>> 0 < step) high = (high + 1) | 0;
  }
}

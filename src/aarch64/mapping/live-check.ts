import { PageTableError } from '../../errors.ts';
import { DescriptorHigh } from '../descriptor-bits.ts';
import { type AttributeKind, LOW_MASK } from './attribute-words.ts';
import { DescriptorCursor } from './descriptor-cursor.ts';
import type { LeafTemplate } from './leaf-template.ts';
import type { LiveRules } from './live-rules.ts';
import type { MappingContext } from './mapping-context.ts';
import { MemoryRegion } from './memory-region.ts';
import type { Update } from './range-modifier.ts';
import { CallbackVisitor, type RangeVisitor, walkRange } from './range-walker.ts';
import { isValidLeaf, LAST_LEVEL, WORDS } from './table-geometry.ts';
import type { UpdatableCursor } from './updatable-cursor.ts';

/** A copy of the imported constant, which V8 would read anew in every iteration. */
const STRIDE: number = WORDS;

/** The run of entries that is being looked at, and how the first of them changes. */
interface RunChange {
  first: number;
  low: number;
  high: number;
}

/**
 * Finds out whether a change of tables in use needs break-before-make. What it throws is BreakBeforeMakeViolation
 * with the first addresses that need it.
 */
export class LiveCheck implements RangeVisitor {
  readonly #context: MappingContext;
  readonly #rules: LiveRules;
  readonly #kind: AttributeKind;
  readonly #run: RunChange = { first: -1, low: 0, high: 0 };
  #firstPage = 0;
  #end = 0;
  #cursor: UpdatableCursor | undefined;
  #update: Update = () => {};

  constructor(context: MappingContext, rules: LiveRules, kind: AttributeKind) {
    this.#context = context;
    this.#rules = rules;
    this.#kind = kind;
  }

  /** Mapping the pages from `firstPage` up to `end` to the frames from `frame` on. */
  map(firstPage: number, end: number, frame: number, template: LeafTemplate): void {
    this.#begin(firstPage, end);
    const { geometry } = this.#context;
    const cursor = new DescriptorCursor(this.#kind, this.#context.firstPage, geometry);
    const check = (): void => {
      const { low, high, level, page, pageCount } = cursor;
      if (!isValidLeaf(low, level)) return;
      const pages = geometry.pagesPerEntry(level);
      const whole = pageCount === pages;
      const output = frame + page - firstPage;
      if (template.valid && template.isMappedBy(geometry, low, high, level, page, output)) return;
      const base = level === LAST_LEVEL ? output : output - (output % pages);
      const newLow = template.lowFor(level, base);
      const newHigh = template.highFor(base) | (high & template.ignoredHigh);
      if (template.valid) {
        if (!this.#rules.permits(level, low, high, newLow, newHigh)) {
          throw this.#violation(page, pageCount, 'a valid descriptor cannot be changed so');
        }
        const stays = template.blocks && level >= geometry.firstBlockLevel && output % pages === 0;
        if (!whole || (level < LAST_LEVEL && !stays)) throw this.#splitting(page, pageCount);
      } else if (!whole) throw this.#splitting(page, pageCount);
      if ((high & this.#hint) !== 0) this.#changeInRun(level, page, low ^ newLow, high ^ newHigh);
    };
    walkRange(this.#context, firstPage, end, new CallbackVisitor(cursor, check));
  }

  /** Changing the pages from `page` up to `end` by a callback, which works on copies. */
  modify(page: number, end: number, cursor: UpdatableCursor, update: Update): void {
    this.#begin(page, end);
    cursor.begin(true);
    this.#cursor = cursor;
    this.#update = update;
    try {
      walkRange(this.#context, page, end, this);
    } catch (cause) {
      throw cursor.visiting
        ? this.#violation(cursor.page, cursor.pageCount, 'the callback fails', cause)
        : cause;
    }
  }

  /** A part of {@link modify}. */
  visitPages(words: Uint32Array, firstAt: number, endAt: number, page: number): void {
    const cursor = this.#cursor as UpdatableCursor;
    const update = this.#update;
    const hint = this.#hint;
    cursor.enterPages(words, firstAt, page);
    cursor.visiting = true;
    for (let at = firstAt; at < endAt; at += STRIDE) {
      const high = (words[at + 1] as number) | 0;
      cursor.at = at;
      cursor.lowWord = (words[at] as number) | 0;
      cursor.highWord = high;
      update(cursor);
      if ((high & hint) !== 0) this.#checkRun(cursor);
    }
    cursor.visiting = false;
  }

  /** A part of {@link modify}. */
  visitEntry(words: Uint32Array, at: number, level: number, page: number, end: number): void {
    const cursor = this.#cursor as UpdatableCursor;
    cursor.enterEntry(words, at, level, page, end - page);
    cursor.visiting = true;
    this.#update(cursor);
    cursor.visiting = false;
    // A descriptor that is visited in part can change only if it maps nothing.
    const isPart = end - page < this.#context.geometry.pagesPerEntry(level);
    if (cursor.updated && isPart && isValidLeaf(cursor.oldLow, level))
      throw this.#splitting(page, end - page);
    if ((cursor.oldHigh & this.#hint) !== 0) this.#checkRun(cursor);
  }

  #checkRun(cursor: UpdatableCursor): void {
    const { level, page, oldLow, oldHigh, lowWord, highWord } = cursor;
    cursor.visiting = false;
    this.#changeInRun(level, page, oldLow ^ lowWord, oldHigh ^ highWord);
    cursor.visiting = true;
  }

  /** The contiguous bit, where the engine manages it. */
  get #hint(): number {
    return this.#context.hinted ? DescriptorHigh.Contiguous : 0;
  }

  #begin(firstPage: number, end: number): void {
    this.#firstPage = firstPage;
    this.#end = end;
    this.#run.first = -1;
  }

  /** A leaf with the contiguous bit may change only as all of its run do: the bit cannot be cleared in use. */
  #changeInRun(level: number, page: number, deltaLow: number, deltaHigh: number): void {
    // Addresses are not compared: those of a run differ, and no valid one may change.
    const low = deltaLow & LOW_MASK;
    const high = deltaHigh & ~DescriptorHigh.Address;
    const { geometry } = this.#context;
    const pages = geometry.pagesPerEntry(level) * geometry.runEntries(level);
    const first = page - (page % pages);
    const run = this.#run;
    if (run.first !== first) {
      run.first = first;
      run.low = low;
      run.high = high;
    }
    const alone = (low | high) !== 0 && (first < this.#firstPage || first + pages > this.#end);
    if (alone || run.low !== low || run.high !== high) {
      throw this.#violation(first, pages, 'a part of a contiguous run cannot be changed');
    }
  }

  #splitting(page: number, pageCount: number): PageTableError {
    return this.#violation(page, pageCount, 'a block cannot be split or unmapped in part');
  }

  #violation(page: number, pageCount: number, why: string, cause?: unknown): PageTableError {
    const first = this.#context.firstPage + page;
    const region = MemoryRegion.ofPages(first, first + pageCount);
    return new PageTableError(
      'BreakBeforeMakeViolation',
      `${region} is in use: ${why} without break-before-make`,
      { start: region.start, end: region.end },
      { cause },
    );
  }
}

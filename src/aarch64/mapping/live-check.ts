import { PageTableError } from '../../errors.ts';
import type { LeafTemplate } from './leaf-template.ts';
import type { MappingContext } from './mapping-context.ts';
import { MemoryRegion } from './memory-region.ts';
import { visitRange } from './range-walker.ts';
import type { TranslationRegime } from './regime.ts';
import { FIRST_BLOCK_LEVEL, isValidLeaf, LAST_LEVEL, pagesPerEntry, WORDS } from './table-geometry.ts';
import {
  type DescriptorPlace,
  isLiveChangePermitted,
  type UpdatableDescriptor,
} from './updatable-descriptor.ts';

/**
 * Whether a range of tables in use may be mapped as asked for without break-before-make.
 * @throws PageTableError BreakBeforeMakeViolation with the first addresses that may not
 */
export function checkLiveMap(
  context: MappingContext,
  regime: TranslationRegime,
  firstPage: number,
  end: number,
  frame: number,
  template: LeafTemplate,
): void {
  const place: DescriptorPlace = { words: new Uint32Array(WORDS), at: 0, level: 0, page: 0, end: 0 };
  visitRange(context, firstPage, end, place, () => {
    const { words, at, level, page } = place;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if (!isValidLeaf(low, level)) return;
    const pages = pagesPerEntry(level);
    const whole = place.end - page === pages;
    if (!template.valid) {
      if (!whole) throw violation(context, place, 'a part of a live block cannot be unmapped');
      return;
    }
    const output = frame + page - firstPage;
    if (template.isMappedBy(low, high, level, page, output)) return;
    const base = level === LAST_LEVEL ? output : output - (output % pages);
    const newHigh = template.highFor(base) | (high & template.ignoredHigh);
    if (!isLiveChangePermitted(regime, level, low, high, template.lowFor(level, base), newHigh)) {
      throw violation(context, place, 'a live descriptor cannot be changed so');
    }
    const stays =
      level === LAST_LEVEL || (level >= FIRST_BLOCK_LEVEL && template.blocks && output % pages === 0);
    if (!whole || !stays) throw violation(context, place, 'a live block cannot be split');
  });
}

/**
 * Whether a callback would change descriptors of tables in use only so that no break-before-make is needed. The
 * callback works on copies.
 * @throws PageTableError BreakBeforeMakeViolation with the first addresses where it would not
 */
export function checkLiveModify(
  context: MappingContext,
  page: number,
  end: number,
  place: DescriptorPlace,
  descriptor: UpdatableDescriptor,
  update: () => void,
): void {
  const copy = new Uint32Array(WORDS);
  descriptor.live = true;
  visitRange(context, page, end, place, () => {
    const { words, at, level } = place;
    copy[0] = words[at] as number;
    copy[1] = words[at + 1] as number;
    place.words = copy;
    place.at = 0;
    descriptor.reset();
    try {
      update();
    } catch (cause) {
      throw violation(context, place, 'the update fails on a live table', cause);
    }
    const whole = place.end - place.page === pagesPerEntry(level);
    if (!whole && descriptor.updated && isValidLeaf(words[at] as number, level)) {
      throw violation(context, place, 'a live block cannot be split');
    }
  });
}

export function violation(
  { firstPage }: MappingContext,
  place: { readonly page: number; readonly end: number },
  why: string,
  cause?: unknown,
): PageTableError {
  const region = MemoryRegion.ofPages(firstPage + place.page, firstPage + place.end);
  return new PageTableError(
    'BreakBeforeMakeViolation',
    `${region} is in use: ${why} without break-before-make`,
    { start: region.start, end: region.end },
    { cause },
  );
}

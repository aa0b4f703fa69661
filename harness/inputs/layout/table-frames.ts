import type { LayoutRegion } from './layout.ts';

/** Tables that the engine makes before anything is mapped: the root and those of its zero-VA window. */
const FIXED_TABLES = 5;
/** Lowest level whose tables are needed even where a region covers all of one: there is no larger page. */
const FIRST_FULL_LEVEL = 3;

/**
 * How many frames the tables of a layout fill at most. Level 1 tables (x64 PT, AArch64 level 3) and level 2
 * tables are needed only where a region begins or ends inside one, since large pages cover the rest; tables
 * above wherever a region is.
 * @param regions ascending, without overlaps
 * @param levels of the page tables, the root included
 */
export function tableFrames(regions: readonly LayoutRegion[], levels: number): number {
  let frames = FIXED_TABLES;
  for (let level = 1; level < levels; level++) {
    // Number of 4 KiB pages that one table of this level covers.
    const span = 512 ** level;
    let counted = -1;
    for (const { firstPage, pageCount } of regions) {
      const first = Math.floor(firstPage / span);
      const last = Math.floor((firstPage + pageCount - 1) / span);
      if (level >= FIRST_FULL_LEVEL) {
        frames += last - Math.max(first - 1, counted);
        counted = last;
        continue;
      }
      const beginsInside = firstPage % span !== 0;
      const endsInside = (firstPage + pageCount) % span !== 0;
      if (beginsInside && first > counted) {
        frames++;
        counted = first;
      }
      if (endsInside && last > counted) {
        frames++;
        counted = last;
      }
    }
  }
  return frames;
}

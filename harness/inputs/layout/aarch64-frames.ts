import { FRAME_SHIFT } from '../../../src/addresses.ts';
import { geometryOf } from './aarch64-geometry.ts';
import { AARCH64_FRAMES_OF_PAGE_SIZE, PAGE_SIZES_OF_GRANULE } from './aarch64-region.ts';
import type { AArch64Layout, LayoutRegion } from './layout.ts';

const LAST_LEVEL = 3;

/** What a region of a layout may be mapped with at most, in 4 KiB pages. */
export interface LargestLeaf {
  readonly pages: number;
  /** The next larger block that the granule has; undefined if there is none. */
  readonly larger: number | undefined;
}

/** The largest page or block that may map a region. */
export function largestLeaf(layout: AArch64Layout, { aarch64 }: LayoutRegion): LargestLeaf {
  const sizes = PAGE_SIZES_OF_GRANULE[geometryOf(layout).granule].map(
    (name) => AARCH64_FRAMES_OF_PAGE_SIZE[name],
  );
  const pages =
    aarch64?.pageSize === undefined ? (sizes.at(-1) ?? 1) : AARCH64_FRAMES_OF_PAGE_SIZE[aarch64.pageSize];
  return { pages, larger: sizes.find((size) => size > pages) };
}

/** How many 4 KiB frames the tables of a layout fill at most, and of what their place must be a multiple. */
export function aarch64Frames(layout: AArch64Layout): {
  readonly frames: number;
  readonly alignment: number;
} {
  const { pageShift, rootLevel, vaBits } = geometryOf(layout);
  const indexBits = pageShift - 3;
  const tableFrames = 2 ** (pageShift - FRAME_SHIFT);
  const rootShift = pageShift + (LAST_LEVEL - rootLevel) * indexBits;
  const rootFrames = Math.max(2 ** (vaBits - rootShift + 3 - FRAME_SHIFT), tableFrames);
  let frames = 2 * rootFrames;
  for (const region of layout.regions) {
    const { firstPage, firstFrame, pageCount } = region;
    const { pages: largest } = largestLeaf(layout, region);
    for (let level = LAST_LEVEL; level > rootLevel; level--) {
      // What one table of this level translates, and one entry of the level before.
      const span = 2 ** (pageShift + (LAST_LEVEL + 1 - level) * indexBits - FRAME_SHIFT);
      const isBlock = span <= largest && (firstFrame - firstPage) % span === 0;
      const tables = Math.floor((firstPage + pageCount - 1) / span) - Math.floor(firstPage / span) + 1;
      frames += tableFrames * (isBlock ? Math.min(tables, 2) : tables);
    }
  }
  return { frames, alignment: Math.max(rootFrames, tableFrames) };
}

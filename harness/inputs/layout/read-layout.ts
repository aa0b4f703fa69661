import { addressOfPage, hex } from '../../../src/addresses.ts';
import { type Place, parseTree } from '../form/tree.ts';
import { type Complaint, InputError } from '../input-error.ts';
import { withAArch64Details } from './aarch64-details.ts';
import { readAArch64Mode } from './aarch64-mode.ts';
import { type AddressSpace, addressSpaceOf, unaligned, unmappable, unreachable } from './address-space.ts';
import { readAttributes } from './attributes.ts';
import type { Layout, LayoutMode, LayoutRegion } from './layout.ts';
import { LAYOUT_FORM, type WrittenRegion, type WrittenX64Region } from './layout-form.ts';
import { withX64Details } from './x64-details.ts';

/** Regions are counted in pages of this size, whatever the granule. */
const PAGE = 4096n;

/**
 * Reads and checks a layout.
 * @param file the path, for messages
 * @param text YAML or JSON
 * @throws InputError with everything that is wrong, each with line and column
 */
export function readLayout(file: string, text: string): Layout {
  const complaints: Complaint[] = [];
  const written = LAYOUT_FORM.read(parseTree(file, text), complaints);
  if (written === undefined) throw new InputError(file, complaints);

  const read = (value: WrittenMappedRegion, mode: LayoutMode, space: AddressSpace, place: Place) => ({
    ...readRange(value, space, value.physical === undefined, complaints),
    attributes: readAttributes(value, mode, complaints),
    place,
  });
  let layout: Layout;
  if (written.architecture === 'x64') {
    const mode = { architecture: 'x64', paging: written.paging ?? '4-level' } as const;
    const space = addressSpaceOf(mode);
    const regions = written.regions.map(({ value, place }) =>
      withX64Details(read(value, mode, space, place), value, space, complaints),
    );
    layout = { ...mode, regions: regions.sort(byAddress) };
  } else {
    const mode = readAArch64Mode(written, complaints);
    const space = addressSpaceOf(mode);
    const regions = written.regions.map(({ value, place }) =>
      withAArch64Details(
        { region: read(value, mode, space, place), written: value, mode, space },
        complaints,
      ),
    );
    layout = { ...mode, regions: regions.sort(byAddress) };
  }
  complainOfOverlaps(layout.regions, complaints);
  if (complaints.length > 0) throw new InputError(file, complaints);
  return layout;
}

/** What regions of both architectures have. */
type WrittenMappedRegion = WrittenRegion & Pick<WrittenX64Region, 'physical'>;

function byAddress(a: LayoutRegion, b: LayoutRegion): number {
  return a.firstPage - b.firstPage || a.place.line - b.place.line;
}

type Range = Pick<LayoutRegion, 'name' | 'base' | 'size' | 'firstPage' | 'pageCount' | 'firstFrame'>;

/** The region's range. What is wrong with it is complained about, and then it has no pages. */
function readRange(
  region: WrittenRegion,
  space: AddressSpace,
  toItself: boolean,
  complaints: Complaint[],
): Range {
  const { name, base, size } = region;
  const before = complaints.length;
  for (const [key, { value, place }] of [
    ['base', base],
    ['size', size],
  ] as const) {
    const message = unaligned(space, key, value);
    if (message !== undefined) complaints.push({ message, ...place });
  }
  if (size.value === 0n) {
    const message = `size 0: a region has at least one page of ${space.pageBytes} bytes`;
    complaints.push({ message, ...size.place });
  }
  const end = base.value + (size.value || 1n);
  const reason = unmappable(space, base.value, end) ?? (toItself ? unreachable(space, end) : undefined);
  if (reason !== undefined) complaints.push({ message: `region "${name}": ${reason}`, ...base.place });

  const firstPage = Number(base.value / PAGE);
  const pageCount = complaints.length === before ? Number(size.value / PAGE) : 0;
  return { name, base: base.value, size: size.value, firstPage, pageCount, firstFrame: firstPage };
}

/** Looks at each region, in ascending order, and the one before it that reaches furthest. */
function complainOfOverlaps(regions: readonly LayoutRegion[], complaints: Complaint[]): void {
  let furthest: LayoutRegion | undefined;
  for (const region of regions) {
    if (region.pageCount === 0) continue;
    const end = furthest === undefined ? 0 : furthest.firstPage + furthest.pageCount;
    if (furthest !== undefined && region.firstPage < end) {
      complaints.push({
        message: `region "${region.name}" (${span(region)}) overlaps region "${furthest.name}" (${span(furthest)}) of line ${furthest.place.line}`,
        ...region.place,
      });
    }
    if (region.firstPage + region.pageCount > end) furthest = region;
  }
}

function span({ base, firstPage, pageCount }: LayoutRegion): string {
  return `${hex(base)}–${hex(addressOfPage(firstPage + pageCount) - 1n)}`;
}

import { addressOfPage, hex } from '../../../src/addresses.ts';
import { CACHE_ATTRIBUTES, MemoryAttributes, memoryAttributeNames } from '../../../src/memory-attributes.ts';
import type { Complaint } from '../input-error.ts';
import type { AddressSpace } from './address-space.ts';
import type { LayoutRegion } from './layout.ts';
import type { WrittenX64Region } from './layout-form.ts';
import { firstFrameOf } from './physical-range.ts';

/** Adds to a region what an x64 layout may say of it beyond its range and its attributes. */
export function withX64Details(
  region: LayoutRegion,
  written: WrittenX64Region,
  space: AddressSpace,
  complaints: Complaint[],
): LayoutRegion {
  const { global, pageSize, memoryType } = written;
  const cacheType = memoryAttributeNames(region.attributes & CACHE_ATTRIBUTES)[0];
  if (memoryType !== undefined && cacheType !== undefined) {
    const message = `memory type "${memoryType.value}" and attribute "${cacheType}": a region has one of them`;
    complaints.push({ message, ...memoryType.place });
  }
  const declares = global !== undefined || pageSize !== undefined || memoryType !== undefined;
  return {
    ...region,
    firstFrame: firstFrameOf(region, written.physical, space, complaints),
    attributes: region.attributes | supervisorOf(region, written, complaints),
    ...(declares && { x64: { global, pageSize, memoryType: memoryType?.value } }),
  };
}

/** `user: false` is the attribute supervisor under another name; `user: true` contradicts it. */
function supervisorOf(region: LayoutRegion, { user }: WrittenX64Region, complaints: Complaint[]): number {
  if (user === undefined) return 0;
  if (!user.value) return MemoryAttributes.Supervisor;
  if ((region.attributes & MemoryAttributes.Supervisor) !== 0) {
    const at = hex(addressOfPage(region.firstPage));
    complaints.push({
      message: `region "${region.name}" at ${at}: user contradicts supervisor`,
      ...user.place,
    });
  }
  return 0;
}

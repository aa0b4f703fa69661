import { addressOfPage, hex } from '../../../src/addresses.ts';
import { CACHE_ATTRIBUTES, MemoryAttributes, memoryAttributeNames } from '../../../src/memory-attributes.ts';
import type { Complaint } from '../input-error.ts';
import { type AddressSpace, unreachable } from './address-space.ts';
import type { LayoutRegion } from './layout.ts';
import type { WrittenX64Region } from './layout-form.ts';

const PAGE = 4096n;

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
    firstFrame: firstFrame(region, written, space, complaints),
    attributes: region.attributes | supervisorOf(region, written, complaints),
    ...(declares && { x64: { global, pageSize, memoryType: memoryType?.value } }),
  };
}

function firstFrame(
  region: LayoutRegion,
  { physical }: WrittenX64Region,
  space: AddressSpace,
  complaints: Complaint[],
): number {
  if (physical === undefined) return region.firstPage;
  const { value, place } = physical;
  if (value % PAGE !== 0n) {
    complaints.push({ message: `physical ${hex(value)} is not a multiple of 4096 (0x1000)`, ...place });
  }
  const reason = unreachable(space, value + (region.size || 1n));
  if (reason === undefined) return Number(value / PAGE);
  complaints.push({ message: `physical ${hex(value)}: ${reason}`, ...place });
  return 0;
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

import { FRAME_SIZE, hex } from '../../../src/addresses.ts';
import type { Placed } from '../form/form.ts';
import type { Complaint } from '../input-error.ts';
import { type AddressSpace, unaligned, unreachable } from './address-space.ts';
import type { LayoutRegion } from './layout.ts';

/** The first frame of a region that says `physical`; of one that does not, its own page. */
export function firstFrameOf(
  region: LayoutRegion,
  physical: Placed<bigint> | undefined,
  space: AddressSpace,
  complaints: Complaint[],
): number {
  if (physical === undefined) return region.firstPage;
  const { value, place } = physical;
  const misaligned = unaligned(space, 'physical', value);
  if (misaligned !== undefined) complaints.push({ message: misaligned, ...place });
  const reason = unreachable(space, value + (region.size || 1n));
  if (reason === undefined) return Number(value / BigInt(FRAME_SIZE));
  complaints.push({ message: `physical ${hex(value)}: ${reason}`, ...place });
  return 0;
}

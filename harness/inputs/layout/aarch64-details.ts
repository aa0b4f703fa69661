import { CACHE_ATTRIBUTES, MemoryAttributes, memoryAttributeNames } from '../../../src/memory-attributes.ts';
import type { Complaint } from '../input-error.ts';
import { geometryOf, hasUser } from './aarch64-geometry.ts';
import {
  type AArch64RegionDetails,
  cacheAttributeOfType,
  ignoresShareability,
  PAGE_SIZES_OF_GRANULE,
} from './aarch64-region.ts';
import { readGuestRights, readUserRights } from './aarch64-user.ts';
import type { AddressSpace } from './address-space.ts';
import type { AArch64Layout, LayoutRegion } from './layout.ts';
import type { WrittenAArch64Region } from './layout-form.ts';
import { firstFrameOf } from './physical-range.ts';

const { ExecuteProtect, ReadOnly, ReadProtect, Supervisor, Uncached, Writeback, WriteCombining } =
  MemoryAttributes;

/** A region of an AArch64 layout: as read so far, as written, and what it is for. */
export interface RegionInQuestion {
  readonly region: LayoutRegion;
  readonly written: WrittenAArch64Region;
  readonly mode: Omit<AArch64Layout, 'regions'>;
  readonly space: AddressSpace;
}

/** Adds to a region what an AArch64 layout may say of it beyond its range and its attributes. */
export function withAArch64Details(question: RegionInQuestion, complaints: Complaint[]): LayoutRegion {
  const { region, written, mode, space } = question;
  const guest = readGuestRights(question, complaints);
  const attributes =
    cacheAttributeOf(question, complaints) |
    accessAttributesOf(question, complaints) |
    (guest?.write === false ? ReadOnly : 0) |
    (guest?.execute === false ? ExecuteProtect : 0);
  const complete = { ...region, attributes };
  const user = readUserRights({ ...question, region: complete }, complaints);
  complainOfDevices({ ...question, region: complete }, user?.rights.execute === true, complaints);
  complainOfShare(question, attributes, complaints);
  complainOfGranule(question, complaints);
  complainOfAbsence(question, complaints);
  if (written.global !== undefined && !hasUser(mode)) {
    const message = `global: ${space.name} has no ASIDs, and no translation of it belongs to one`;
    complaints.push({ message, ...written.global.place });
  }
  const details: AArch64RegionDetails = {
    user: user?.rights,
    guest,
    share: written.share?.value,
    memoryType: written.memoryType?.value,
    pageSize: written.pageSize?.value,
    global: written.global?.value,
  };
  const declares = Object.values(details).some((value) => value !== undefined);
  return {
    ...complete,
    firstFrame: firstFrameOf(region, written.physical, space, complaints),
    attributes: attributes | (user?.isNothing === true ? Supervisor : 0),
    ...(declares && { aarch64: details }),
  };
}

/** Exactly one cache attribute; memory of which nothing is said is writeback. */
function cacheAttributeOf({ region, written }: RegionInQuestion, complaints: Complaint[]): number {
  const { memoryType } = written;
  const declared = region.attributes & CACHE_ATTRIBUTES;
  if (memoryType === undefined) return declared === 0 ? Writeback : declared;
  if (declared !== 0) {
    const name = memoryAttributeNames(declared)[0];
    const message = `memory type "${memoryType.value}" and attribute "${name}": a region has one of them`;
    complaints.push({ message, ...memoryType.place });
  }
  return cacheAttributeOfType(memoryType.value);
}

/** Where there is no user at all, supervisor says nothing; stage 2 has both levels and cannot tell them apart. */
function accessAttributesOf({ region, written, mode }: RegionInQuestion, complaints: Complaint[]): number {
  const access = region.attributes & ~CACHE_ATTRIBUTES;
  if (hasUser(mode) || (access & Supervisor) === 0) return access;
  if (mode.regime === 'stage2') {
    const place = written.attributes?.find(({ value }) => value === 'supervisor')?.place;
    const message = `region "${region.name}": stage 2 does not tell EL0 from EL1, so nothing can be supervisor`;
    complaints.push({ message, ...place });
  }
  return access & ~Supervisor;
}

/** A fetch from Device memory is not predictable (Arm ARM B2.7.2). */
function complainOfDevices(
  { region, written }: RegionInQuestion,
  userExecutes: boolean,
  complaints: Complaint[],
): void {
  const uncached = written.attributes?.find(({ value }) => value === 'uncached');
  const { memoryType, guest } = written;
  const device = uncached ?? (memoryType?.value.startsWith('device-') ? memoryType : undefined);
  if (device === undefined || ((region.attributes & ExecuteProtect) !== 0 && !userExecutes)) return;
  const what = device === uncached ? 'uncached (device)' : device.value;
  const must = userExecutes
    ? 'must not be executed by EL0'
    : guest !== undefined
      ? `must not be executed: guest ${guest.value} has x`
      : 'must be execute-protect on aarch64';
  complaints.push({ message: `region "${region.name}": ${what} memory ${must}`, ...device.place });
}

function complainOfShare({ written }: RegionInQuestion, attributes: number, complaints: Complaint[]): void {
  const { share, memoryType } = written;
  if (share === undefined) return;
  const isIgnored =
    memoryType === undefined
      ? (attributes & (Uncached | WriteCombining)) !== 0
      : ignoresShareability(memoryType.value);
  if (!isIgnored) return;
  const what = memoryType?.value ?? memoryAttributeNames(attributes & CACHE_ATTRIBUTES)[0];
  const message = `share ${share.value}: ${what} memory is outer shareable whatever its descriptors say`;
  complaints.push({ message, ...share.place });
}

function complainOfGranule({ written, mode }: RegionInQuestion, complaints: Complaint[]): void {
  const { pageSize } = written;
  const { granule } = geometryOf(mode);
  const sizes: readonly string[] = PAGE_SIZES_OF_GRANULE[granule];
  if (pageSize === undefined || sizes.includes(pageSize.value)) return;
  const message = `pageSize ${pageSize.value}: with the granule ${granule} pages and blocks have ${sizes.join(', ')}`;
  complaints.push({ message, ...pageSize.place });
}

/** Of memory that is not mapped there is nothing to be said. */
function complainOfAbsence({ region, written }: RegionInQuestion, complaints: Complaint[]): void {
  if ((region.attributes & ReadProtect) === 0) return;
  for (const key of ['share', 'memoryType', 'pageSize', 'global'] as const) {
    const said = written[key];
    if (said === undefined) continue;
    const message = `region "${region.name}": ${key} ${said.value}: read-protect memory is not mapped`;
    complaints.push({ message, ...said.place });
  }
}

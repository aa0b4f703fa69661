import {
  CACHE_ATTRIBUTES,
  type MemoryAttributeBits,
  MemoryAttributes,
  memoryAttributeByName,
  memoryAttributeNames,
} from '../../../src/memory-attributes.ts';
import type { Complaint } from '../input-error.ts';
import type { LayoutMode } from './layout.ts';
import type { WrittenRegion } from './layout-form.ts';

/** Cache types that the AArch64 engine has no MAIR attribute for. */
const WITHOUT_MAIR_ATTRIBUTE = MemoryAttributes.UncachedExport | MemoryAttributes.WriteProtect;

/**
 * The attribute bits of a region. AArch64 regions without a cache type are writeback; at EL2 there is no user
 * to keep out, so that supervisor says nothing and is left out.
 */
export function readAttributes(
  region: WrittenRegion,
  mode: LayoutMode,
  complaints: Complaint[],
): MemoryAttributeBits {
  const { architecture } = mode;
  let attributes: MemoryAttributeBits = MemoryAttributes.None;
  for (const { value: name, place } of region.attributes ?? []) {
    const bit = memoryAttributeByName(name) ?? 0;
    const other = memoryAttributeNames(attributes & CACHE_ATTRIBUTES)[0];
    if ((attributes & bit) !== 0) {
      complaints.push({ message: `attribute "${name}" stands twice`, ...place });
    } else if ((bit & CACHE_ATTRIBUTES) !== 0 && other !== undefined) {
      const message = `attribute "${name}" contradicts "${other}": a region has one cache type`;
      complaints.push({ message, ...place });
    } else if (architecture === 'aarch64' && (bit & WITHOUT_MAIR_ATTRIBUTE) !== 0) {
      const message = `attribute "${name}" does not exist on aarch64; cache types are uncached, write-combining, write-through, writeback`;
      complaints.push({ message, ...place });
    }
    attributes |= bit;
  }
  if (mode.architecture === 'x64') return attributes;
  if (mode.regime === 'el2') attributes &= ~MemoryAttributes.Supervisor;
  return completeForAArch64(attributes, region, complaints);
}

function completeForAArch64(
  attributes: MemoryAttributeBits,
  region: WrittenRegion,
  complaints: Complaint[],
): MemoryAttributeBits {
  if ((attributes & CACHE_ATTRIBUTES) === 0) return attributes | MemoryAttributes.Writeback;
  const executable = (attributes & MemoryAttributes.ExecuteProtect) === 0;
  const uncached = region.attributes?.find(({ value }) => value === 'uncached');
  if (executable && uncached !== undefined) {
    const message = `region "${region.name}": uncached (device) memory must be execute-protect on aarch64`;
    complaints.push({ message, ...uncached.place });
  }
  return attributes;
}

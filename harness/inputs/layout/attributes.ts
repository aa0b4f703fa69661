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

/** The attribute bits that stand in a region. */
export function readAttributes(
  region: WrittenRegion,
  { architecture }: LayoutMode,
  complaints: Complaint[],
): MemoryAttributeBits {
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
  return attributes;
}

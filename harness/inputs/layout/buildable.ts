import { hex } from '../../../src/addresses.ts';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { Complaint } from '../input-error.ts';
import type { AArch64Layout, Layout } from './layout.ts';

/** First address that the AArch64 engine does not map: the top two level-0 entries are its own. */
const AARCH64_UPKEEP_START = 0xff00_0000_0000n;

/** What a layout declares that tables can hold, but not those that the engine makes. */
export function complaintsAboutBuilding(layout: Layout): Complaint[] {
  if (layout.architecture === 'x64') return [];
  const complaints: Complaint[] = [];
  if (needsMapping(layout)) complaints.push({ message: 'tables of this form are not built yet' });
  for (const { name, base, size, attributes, place } of layout.regions) {
    if (base + size > AARCH64_UPKEEP_START) {
      const message = `region "${name}": addresses from ${hex(AARCH64_UPKEEP_START)} are the engine's own (self-map)`;
      complaints.push({ message, ...place });
    }
    const executable = (attributes & MemoryAttributes.ExecuteProtect) === 0;
    if (executable && (attributes & MemoryAttributes.Supervisor) !== 0) {
      const message = `region "${name}": at EL1 the engine's execute-protect covers EL1 and EL0 alike, so supervisor memory must be execute-protect too`;
      complaints.push({ message, ...place });
    }
  }
  return complaints;
}

/** Whether a layout asks for something that the engine's identity-mapped tables cannot say. */
function needsMapping({ regime, granule, vaBits, rootLevel, paBits, regions }: AArch64Layout): boolean {
  return (
    (regime !== 'el1' && regime !== 'el2') ||
    [granule, vaBits, rootLevel, paBits].some((key) => key !== undefined) ||
    regions.some(({ firstPage, firstFrame, aarch64 }) => firstPage !== firstFrame || aarch64 !== undefined)
  );
}

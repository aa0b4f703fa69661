import { PHYSICAL_ADDRESS_SIZES } from '../../../src/aarch64/translation-control.ts';
import { physicalBitsToStartAt } from '../../../src/aarch64/translation-registers.ts';
import type { Complaint } from '../input-error.ts';
import { firstLevelOf, geometryOf, startLevel, widestAddress } from './aarch64-geometry.ts';
import type { AArch64Layout } from './layout.ts';
import type { WrittenAArch64Layout } from './layout-form.ts';

const LAST_LEVEL = 3;
/** Up to 16 tables of stage 2 may stand side by side as one root (Arm ARM D8.2). */
const CONCATENATED_BITS = 4;

/** What an AArch64 layout says of its tables as a whole. Wrong values are complained about and left out. */
export function readAArch64Mode(
  written: WrittenAArch64Layout,
  complaints: Complaint[],
): Omit<AArch64Layout, 'regions'> {
  const { regime = 'el2', granule, vaBits, rootLevel, paBits } = written;
  const before = complaints.length;
  const mode = {
    architecture: 'aarch64',
    regime,
    ...(granule !== undefined && { granule }),
    ...(vaBits !== undefined && { vaBits: Number(vaBits.value) }),
    ...(rootLevel !== undefined && { rootLevel: Number(rootLevel.value) }),
    ...(paBits !== undefined && { paBits: Number(paBits.value) }),
  } as const;
  const { pageShift } = geometryOf(mode);
  const levels = problemOfLevels(mode, pageShift);
  if (levels !== undefined) complaints.push({ message: levels, ...(rootLevel ?? vaBits)?.place });
  const stageTwo = levels === undefined ? problemOfStageTwo(mode) : undefined;
  if (stageTwo !== undefined) complaints.push({ message: stageTwo, ...paBits?.place });
  if (paBits !== undefined && !PHYSICAL_ADDRESS_SIZES.includes(Number(paBits.value))) {
    const message = `paBits ${paBits.value}: physical addresses have ${PHYSICAL_ADDRESS_SIZES.join(', ')} bits`;
    complaints.push({ message, ...paBits.place });
  }
  return complaints.length === before ? mode : { architecture: 'aarch64', regime };
}

type Mode = Omit<AArch64Layout, 'regions'>;

function problemOfLevels(mode: Mode, pageShift: number): string | undefined {
  const { granule = '4K', vaBits, rootLevel, regime } = mode;
  const first = firstLevelOf(mode);
  const pages = `with pages of ${granule}`;
  const where = regime === 'stage2' ? `at stage 2 ${pages}` : pages;
  if (rootLevel !== undefined && rootLevel < first) {
    return `rootLevel ${rootLevel}: ${where} walks start at level ${first} to ${LAST_LEVEL}`;
  }
  if (vaBits === undefined) return undefined;
  const widest = widestAddress(pageShift, first);
  if (vaBits <= pageShift || vaBits > widest) {
    return `vaBits ${vaBits}: ${where} addresses have ${pageShift + 1} to ${widest} bits`;
  }
  const start = startLevel(pageShift, vaBits);
  if (rootLevel === undefined || rootLevel === start) return undefined;
  const reach = widestAddress(pageShift, rootLevel);
  if (regime === 'stage2' && vaBits > reach && vaBits <= reach + CONCATENATED_BITS) return undefined;
  const reason = vaBits > reach ? `its table translates ${reach} bits` : 'fewer levels are needed';
  return `rootLevel ${rootLevel} does not fit vaBits ${vaBits}: ${reason}; ${where} such walks start at level ${start}`;
}

/** What VTCR_EL2 cannot say: an intermediate address wider than a physical one, or a start level that needs more bits. */
function problemOfStageTwo(mode: Mode): string | undefined {
  const { regime, paBits } = mode;
  if (regime !== 'stage2' || paBits === undefined) return undefined;
  const { vaBits, rootLevel, granule } = geometryOf(mode);
  if (paBits < vaBits) {
    return `paBits ${paBits}: at stage 2 a guest's physical address, of ${vaBits} bits, is no wider than a physical one`;
  }
  const needed = physicalBitsToStartAt(rootLevel, granule);
  return paBits < needed
    ? `paBits ${paBits}: at stage 2 walks start at level ${rootLevel} only with ${needed} bits or more`
    : undefined;
}

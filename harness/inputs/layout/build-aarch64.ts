import { Constraints } from '../../../src/aarch64/mapping/constraints.ts';
import { MemoryRegion } from '../../../src/aarch64/mapping/memory-region.ts';
import {
  El1And0,
  El2,
  El2And0,
  El3,
  Stage2,
  type TranslationRegime,
} from '../../../src/aarch64/mapping/regime.ts';
import { RootTable } from '../../../src/aarch64/mapping/root-table.ts';
import { translationRegisters } from '../../../src/aarch64/translation-registers.ts';
import { addressOfPage, FRAME_SHIFT } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { SequentialAllocator } from '../../../src/memory/sequential-allocator.ts';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { AArch64Registers } from '../../../src/registers.ts';
import { largestLeaf } from './aarch64-frames.ts';
import { geometryOf } from './aarch64-geometry.ts';
import { LAYOUT_MAIR, leafFlags } from './aarch64-leaf.ts';
import { AArch64Tables, UPPER_HALF } from './aarch64-tables.ts';
import type { AArch64Layout, LayoutRegion, RegimeName } from './layout.ts';

const REGIMES: Readonly<Record<RegimeName, TranslationRegime>> = {
  el1: El1And0,
  el2: El2,
  'el2-vhe': El2And0,
  el3: El3,
  stage2: Stage2,
};

/** First address that the engine's identity-mapped tables leave out: the top two level-0 entries are their own. */
const SELF_MAP_START = 0xff00_0000_0000n;

/** Whether a layout asks for something that the engine's identity-mapped tables cannot say. */
export function needsMapping(layout: AArch64Layout): boolean {
  const { regime, granule, vaBits, rootLevel, paBits, regions } = layout;
  return (
    (regime !== 'el1' && regime !== 'el2') ||
    [granule, vaBits, rootLevel, paBits].some((key) => key !== undefined) ||
    regions.some(
      ({ base, size, firstPage, firstFrame, attributes, aarch64 }) =>
        firstPage !== firstFrame ||
        aarch64 !== undefined ||
        base + size > SELF_MAP_START ||
        (attributes & SUPERVISOR_OR_PROTECTED) === MemoryAttributes.Supervisor,
    )
  );
}

/** Their execute-protect is for EL1 and EL0 alike, so that only both together keep EL0 from executing. */
const SUPERVISOR_OR_PROTECTED = MemoryAttributes.Supervisor | MemoryAttributes.ExecuteProtect;

export interface MappedAArch64Layout {
  readonly pageTable: AArch64Tables;
  readonly registers: AArch64Registers;
}

/** Builds the tables of a layout, a tree for each half of the address space that has regions. */
export function buildAArch64(
  layout: AArch64Layout,
  memory: PhysicalMemory,
  allocator: SequentialAllocator,
  physicalAddressBits: number,
): MappedAArch64Layout {
  const { granule, pageShift, vaBits, rootLevel } = geometryOf(layout);
  const regime = REGIMES[layout.regime];
  const tree = (vaRange: 'lower' | 'upper', regions: readonly LayoutRegion[]) => {
    const options = { regime, vaRange, granule, vaBits, rootLevel, memory, allocator, physicalAddressBits };
    const table = new RootTable<TranslationRegime>(options);
    for (const region of regions) mapRegion(table, layout, region);
    return table;
  };
  const above = layout.regions.filter(({ firstPage }) => firstPage >= UPPER_HALF);
  const below = layout.regions.filter(({ firstPage }) => firstPage < UPPER_HALF);
  const upper = above.length > 0 ? tree('upper', above) : undefined;
  const lower = below.length > 0 || upper === undefined ? tree('lower', below) : undefined;
  const mair = LAYOUT_MAIR;
  return {
    pageTable: new AArch64Tables(layout.regime, 2 ** (pageShift - FRAME_SHIFT), lower, upper),
    registers: translationRegisters({ regime, lower, upper, granule, rootLevel, physicalAddressBits, mair }),
  };
}

function mapRegion(table: RootTable, layout: AArch64Layout, region: LayoutRegion): void {
  const { attributes, firstPage, firstFrame, pageCount } = region;
  if ((attributes & MemoryAttributes.ReadProtect) !== 0) return;
  const flags = leafFlags(layout.regime, region);
  const { pages: limit, larger } = largestLeaf(layout, region);
  const granulePages = 2 ** (geometryOf(layout).pageShift - FRAME_SHIFT);
  const constraints = limit === granulePages ? Constraints.NoBlockMappings : Constraints.None;
  const endPage = firstPage + pageCount;
  for (let page = firstPage; page < endPage; ) {
    // A call that does not cover a larger block cannot make one.
    const end = larger === undefined ? endPage : Math.min(endPage, nextMultiple(page, larger / 2));
    const physical = addressOfPage(firstFrame + page - firstPage);
    table.mapRange(MemoryRegion.ofPages(page, end), physical, flags, constraints);
    page = end;
  }
}

function nextMultiple(page: number, of: number): number {
  return (Math.floor(page / of) + 1) * of;
}

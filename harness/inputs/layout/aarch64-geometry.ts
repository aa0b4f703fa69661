import type { GranuleName } from '../../../src/aarch64/mapping/table-geometry.ts';
import { PHYSICAL_ADDRESS_SIZES } from '../../../src/aarch64/translation-control.ts';
import { physicalBitsToStartAt } from '../../../src/aarch64/translation-registers.ts';
import type { AArch64Layout } from './layout.ts';

/** How tables of a layout cut addresses. */
export interface AArch64Geometry {
  readonly granule: GranuleName;
  /** log2 of a page's bytes. */
  readonly pageShift: number;
  /** Width of an input address: of a virtual one in its half, of an intermediate physical one at stage 2. */
  readonly vaBits: number;
  /** The level at which walks start. */
  readonly rootLevel: number;
}

/** The widest addresses without FEAT_LVA, LPA and LPA2. */
export const MOST_ADDRESS_BITS = 48;
const LAST_LEVEL = 3;
/** So many root tables may stand side by side at stage 2. */
const MOST_CONCATENATED = 16;

const PAGE_SHIFTS: Readonly<Record<GranuleName, number>> = { '4K': 12, '16K': 14, '64K': 16 };

type DeclaredGeometry = Pick<AArch64Layout, 'regime' | 'granule' | 'vaBits' | 'rootLevel'>;

/**
 * What holds where a layout leaves things out: pages of 4 KiB, and as many address bits as a full table of the root
 * level translates, 48 at most.
 */
export function geometryOf(declared: DeclaredGeometry): AArch64Geometry {
  const { granule = '4K', vaBits, rootLevel } = declared;
  const pageShift = PAGE_SHIFTS[granule];
  const bits = vaBits ?? widestAddress(pageShift, rootLevel ?? firstLevelOf(declared));
  return {
    granule,
    pageShift,
    vaBits: bits,
    rootLevel: rootLevel ?? usualRootLevel(declared, pageShift, bits),
  };
}

/**
 * The level at which tables of so many address bits start by custom. At stage 2 a root of fewer than 16 entries is left
 * out, as hypervisors do: the tables that it would lead to stand side by side instead (Arm ARM D8.2, concatenated tables).
 */
function usualRootLevel({ regime }: DeclaredGeometry, pageShift: number, addressBits: number): number {
  const level = startLevel(pageShift, addressBits);
  const rootEntries = 2 ** (addressBits - pageShift - (LAST_LEVEL - level) * (pageShift - 3));
  return regime === 'stage2' && level < LAST_LEVEL && rootEntries < MOST_CONCATENATED ? level + 1 : level;
}

/** Address bits that a full table of a level translates, 48 at most. */
export function widestAddress(pageShift: number, level: number): number {
  return Math.min(MOST_ADDRESS_BITS, pageShift + (LAST_LEVEL + 1 - level) * (pageShift - 3));
}

/** Where a walk of so many address bits starts, when no table is concatenated (Arm ARM D8.2). */
export function startLevel(pageShift: number, addressBits: number): number {
  return LAST_LEVEL + 1 - Math.ceil((addressBits - pageShift) / (pageShift - 3));
}

/** The lowest level at which walks may start; at stage 2 with 16 KiB pages one more than 48 bits would ask for. */
export function firstLevelOf({ regime, granule = '4K' }: DeclaredGeometry): number {
  return granule === '64K' || (granule === '16K' && regime === 'stage2') ? 1 : 0;
}

/** What every machine has; a layout that reaches higher asks for more. */
const COMMON_PHYSICAL_BITS = 40;

/**
 * The width of physical addresses that is declared; else 40, or the next that reaches every region and, at stage 2, every
 * intermediate address and the start level.
 * @param needed what the regions need
 */
export function aarch64PhysicalBits(
  layout: DeclaredGeometry & Pick<AArch64Layout, 'paBits'>,
  needed: number,
): number {
  if (layout.paBits !== undefined) return layout.paBits;
  const { granule, vaBits, rootLevel } = geometryOf(layout);
  const least =
    layout.regime === 'stage2' ? Math.max(needed, vaBits, physicalBitsToStartAt(rootLevel, granule)) : needed;
  return (
    PHYSICAL_ADDRESS_SIZES.find((size) => size >= least && size >= COMMON_PHYSICAL_BITS) ?? MOST_ADDRESS_BITS
  );
}

/** Whether a regime has EL0, and ASIDs. */
export function hasUser({ regime }: Pick<AArch64Layout, 'regime'>): boolean {
  return regime === 'el1' || regime === 'el2-vhe';
}

import type { GranuleName } from '../../../src/aarch64/mapping/table-geometry.ts';
import type { MemoryAttributeBits } from '../../../src/memory-attributes.ts';
import type { Place } from '../form/tree.ts';
import type { AArch64RegionDetails } from './aarch64-region.ts';
import type { X64RegionDetails } from './x64-region.ts';

/** A run of pages that a layout declares to be mapped to a run of frames. */
export interface LayoutRegion {
  readonly name: string;
  /** First virtual address, a multiple of 4096. */
  readonly base: bigint;
  /** Bytes, a multiple of 4096, not 0. */
  readonly size: bigint;
  /** Number of the first 4 KiB page: `base` / 4096. */
  readonly firstPage: number;
  /** `size` in 4 KiB pages. */
  readonly pageCount: number;
  /** Number of the first physical frame; equals `firstPage` where the region is mapped to its own address. */
  readonly firstFrame: number;
  /** What the region is declared to be. AArch64: exactly one cache attribute, writeback where none was given. */
  readonly attributes: MemoryAttributeBits;
  /** What only x64 tables can be asked for; absent where nothing of it is declared. */
  readonly x64?: X64RegionDetails;
  /** What only AArch64 tables can be asked for; absent where nothing of it is declared. */
  readonly aarch64?: AArch64RegionDetails;
  /** Where the region begins in the layout file. */
  readonly place: Place;
}

interface LayoutBase {
  /** Ascending by address, without overlaps. What no region covers is declared unmapped. */
  readonly regions: readonly LayoutRegion[];
}

export interface X64Layout extends LayoutBase {
  readonly architecture: 'x64';
  readonly paging: '4-level' | '5-level';
}

/**
 * EL1&0; EL2; EL2&0, which HCR_EL2.E2H makes of EL2 for a host operating system (FEAT_VHE); EL3; and stage 2 of EL1&0,
 * whose virtual addresses are the guest's physical ones.
 */
export const REGIME_NAMES = ['el1', 'el2', 'el2-vhe', 'el3', 'stage2'] as const;
export type RegimeName = (typeof REGIME_NAMES)[number];

export interface AArch64Layout extends LayoutBase {
  readonly architecture: 'aarch64';
  readonly regime: RegimeName;
  /** Page size, width of an input address, level of the root table; what holds where absent says `geometryOf`. */
  readonly granule?: GranuleName;
  readonly vaBits?: number;
  readonly rootLevel?: number;
  /** Width of a physical address; where absent, what the regions need. */
  readonly paBits?: number;
}

/** A validated memory layout. */
export type Layout = X64Layout | AArch64Layout;

/** What a layout's tables are for, without its regions. */
export type LayoutMode = Omit<X64Layout, 'regions'> | Omit<AArch64Layout, 'regions'>;

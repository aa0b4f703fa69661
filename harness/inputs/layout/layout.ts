import type { MemoryAttributeBits } from '../../../src/memory-attributes.ts';
import type { Place } from '../form/tree.ts';
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

export interface AArch64Layout extends LayoutBase {
  readonly architecture: 'aarch64';
  readonly regime: 'el1' | 'el2';
}

/** A validated memory layout. */
export type Layout = X64Layout | AArch64Layout;

/** What a layout's tables are for, without its regions. */
export type LayoutMode = Omit<X64Layout, 'regions'> | Omit<AArch64Layout, 'regions'>;

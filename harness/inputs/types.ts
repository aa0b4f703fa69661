import type { Address } from '../../src/addresses.ts';
import type { MemoryAttributeBits } from '../../src/memory-attributes.ts';
import type { Architecture, Registers } from '../../src/registers.ts';
import type { GuestImage } from '../machine.ts';
import type { AArch64RegionDetails } from './layout/aarch64-region.ts';
import type { Layout } from './layout/layout.ts';

/**
 * A range of virtual addresses that the tables map for their own upkeep (self-map, window for zeroing).
 * A layout neither declares it nor is it a gap: here the walker alone says what to expect.
 */
export interface UpkeepRange {
  readonly name: string;
  /** Number of the first 4 KiB page (of the sign-extended 64-bit address). */
  readonly firstPage: number;
  readonly pageCount: number;
}

/** What the engine says of a page that is mapped. */
export interface QueriedPage {
  /** As Patina's `queryMemoryRegion` says it. On AArch64 with one cache attribute, on x64 maybe without. */
  readonly attributes: MemoryAttributeBits;
  /** What the descriptor says beyond, where the tables were built by `RootTable`. */
  readonly aarch64?: AArch64RegionDetails;
}

interface InputBase extends GuestImage {
  /** The path as it was given. */
  readonly name: string;
  readonly architecture: Architecture;
  readonly registers: Registers;
  /**
   * What the engine says of the 4 KiB page at an address, undefined for "no mapping". Absent where the engine cannot
   * open such tables.
   */
  readonly query?: (address: Address) => QueriedPage | undefined;
}

/** A layout and the tables that the engine has built for it. */
export interface LayoutInput extends InputBase {
  readonly kind: 'layout';
  readonly layout: Layout;
  /** Ranges of the engine's own. Ascending. */
  readonly upkeep: readonly UpkeepRange[];
}

/** Tables that a firmware has built, without a declaration of what they should be. */
export interface CaptureInput extends InputBase {
  readonly kind: 'capture';
  /** What was assumed where the capture was silent, each a sentence for the reader. */
  readonly notes: readonly string[];
}

/** A declared layout, and tables that a firmware has built: do they implement it? */
export interface LayoutAgainstCaptureInput extends InputBase {
  readonly kind: 'layout-against-capture';
  readonly layout: Layout;
  /** The self-map, where the tables have one as the engine's have. */
  readonly upkeep: readonly UpkeepRange[];
  /** The path of the capture as it was given. */
  readonly captureName: string;
  readonly notes: readonly string[];
}

/** What `verify`, `query`, `dump` and `explain` work on. */
export type VerificationInput = LayoutInput | CaptureInput | LayoutAgainstCaptureInput;

export interface LoadOptions {
  /** Path of a capture: the input is then a layout that these tables are to implement. */
  readonly tables?: string;
}

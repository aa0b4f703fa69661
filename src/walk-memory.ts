import type { MemoryRange } from './memory/physical-memory.ts';

/**
 * What tables are read from, by the addresses that table entries hold: physical memory, or what a second stage
 * of translation makes of it.
 */
export interface WalkMemory {
  /** As `PhysicalMemory.rangeHolding`; the range may be valid for the frames asked for only. */
  rangeHolding(frame: number, count?: number): MemoryRange | undefined;
}

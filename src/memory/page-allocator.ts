import type { Address } from '../addresses.ts';

/**
 * Hands out physical frames for page tables, as `PageAllocator` of patina-paging does. The frames lie in the
 * `PhysicalMemory` of the page table; their content does not matter, the page table zeroes them.
 */
export interface PageAllocator {
  /**
   * A frame for one table.
   * @param align alignment in bytes; 4096 unless tables have a larger granule, then as `size`
   * @param size size in bytes of the table, always a power of two; memory is behind all of it
   * @param isRoot whether the frame will hold the top-level table
   * @returns the frame's physical address, or undefined if there is none left; throwing means the same
   */
  allocatePage(align: number, size: number, isRoot: boolean): Address | undefined;
  /**
   * Takes back a frame that a failed operation had been given. Without this method the page table keeps the
   * frame for the next table it needs.
   * @param size the size that was asked for, 4096 if it is left out
   */
  releasePage?(address: Address, size?: number): void;
}

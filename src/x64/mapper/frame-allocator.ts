import type { Size4KiB } from './page-size.ts';
import type { PhysFrame } from './phys-frame.ts';

/** Gives frames for page tables, as `FrameAllocator<Size4KiB>` of the x86_64 crate. */
export interface FrameAllocator {
  /** A frame that nothing uses, or undefined if there is none left. Its content does not matter. */
  allocateFrame(): PhysFrame<Size4KiB> | undefined;
  /**
   * Takes back a frame that a failed operation had been given. Without this method the mapper keeps the frame for
   * the next table it needs.
   */
  deallocateFrame?(frame: PhysFrame<Size4KiB>): void;
}

/** Takes back frames of page tables, as `FrameDeallocator<Size4KiB>` of the x86_64 crate. */
export interface FrameDeallocator {
  deallocateFrame(frame: PhysFrame<Size4KiB>): void;
}

import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { SequentialAllocator } from '../../../src/memory/sequential-allocator.ts';
import { CACHE_ATTRIBUTES, MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { X64Registers } from '../../../src/registers.ts';
import { createWalker } from '../../../src/walker.ts';
import { EntryLow } from '../../../src/x64/entry-bits.ts';
import type { FrameAllocator } from '../../../src/x64/mapper/frame-allocator.ts';
import { MappedPageTable } from '../../../src/x64/mapper/mapped-page-table.ts';
import type { Page } from '../../../src/x64/mapper/page.ts';
import { type PageSize, Size1GiB, Size2MiB, Size4KiB } from '../../../src/x64/mapper/page-size.ts';
import { PageTableFlags } from '../../../src/x64/mapper/page-table-flags.ts';
import { PhysFrame } from '../../../src/x64/mapper/phys-frame.ts';
import { acceptedMemoryTypes } from '../../expectation-memory-type.ts';
import type { LayoutRegion, X64Layout } from './layout.ts';
import { FRAMES_OF_PAGE_SIZE, x64MemoryTypeNumber } from './x64-region.ts';

/**
 * IA32_PAT with all six memory types, WB at index 0 and UC at index 3 as after reset:
 * WB, WC, UC-, UC, WB, WP, UC-, WT.
 */
const FULL_PAT = 0x0407_0506_0007_0106n;
const CR4_PGE = 1n << 7n;
const { Present, Writable, UserAccessible, NoExecute, Global, WriteThrough, NoCache } = PageTableFlags;
/** Parents forbid nothing: every right is decided by the leaf. */
const PARENT_FLAGS = Present | Writable | UserAccessible;

/** Whether a layout asks for something that identity-mapped tables without memory types cannot say. */
export function needsMapper({ regions }: X64Layout): boolean {
  return regions.some(({ firstPage, firstFrame, x64 }) => firstPage !== firstFrame || x64 !== undefined);
}

/** Frames that tables may take at most, whatever pages map the regions. */
export function mapperFrames(regions: readonly LayoutRegion[], levels: number): number {
  let frames = 1;
  for (let level = 1; level < levels; level++) {
    for (const { pageCount } of regions) frames += Math.ceil(pageCount / 512 ** level) + 1;
  }
  return frames;
}

export interface MappedLayout {
  readonly pageTable: MappedPageTable;
  readonly registers: X64Registers;
}

/**
 * Builds the tables of a layout page by page: any physical address, page sizes, global pages, PAT memory types.
 * @param registers those of tables of the same mode; the root, PAT and CR4.PGE are this function's
 */
export function buildMapped(
  layout: X64Layout,
  memory: PhysicalMemory,
  allocator: SequentialAllocator,
  registers: Omit<X64Registers, 'cr3'>,
): MappedLayout {
  const frames: FrameAllocator = {
    allocateFrame() {
      const address = allocator.allocatePage();
      return address === undefined ? undefined : PhysFrame.fromStartAddress(Size4KiB, address);
    },
  };
  const root = frames.allocateFrame();
  if (root === undefined) throw new RangeError('no frame for the top-level table');
  const levels = layout.paging === '5-level' ? 5 : 4;
  const pageTable = new MappedPageTable(memory, root, {
    levels,
    physicalAddressBits: registers.physicalAddressBits,
  });
  for (const region of layout.regions) mapRegion(pageTable, region, frames);
  const global = layout.regions.some(({ x64 }) => x64?.global === true);
  const complete: X64Registers = {
    ...registers,
    cr3: PhysFrame.startAddress(root),
    cr4: global ? registers.cr4 | CR4_PGE : registers.cr4,
    pat: FULL_PAT,
  };
  setHighPatBits(layout.regions, memory, complete);
  return { pageTable, registers: complete };
}

function mapRegion(table: MappedPageTable, region: LayoutRegion, frames: FrameAllocator): void {
  const { attributes, firstPage, firstFrame, pageCount, x64 } = region;
  if ((attributes & MemoryAttributes.ReadProtect) !== 0) return;
  const limit = FRAMES_OF_PAGE_SIZE[x64?.pageSize ?? '1G'];
  const flags = flagsOf(region);
  for (let done = 0; done < pageCount; ) {
    const [page, frame] = [firstPage + done, firstFrame + done];
    const size = [Size1GiB, Size2MiB, Size4KiB].find(
      ({ frames: span }) =>
        span <= limit && page % span === 0 && frame % span === 0 && done + span <= pageCount,
    ) as PageSize;
    const target = frame as PhysFrame<never>;
    table
      .for(size)
      .mapToWithTableFlags(page as Page<never>, target, flags, PARENT_FLAGS, frames)
      .ignore();
    done += size.frames;
  }
}

/** All flags of a leaf but the highest bit of its PAT index, which has no flag of its own. */
function flagsOf(region: LayoutRegion): number {
  const { attributes, x64 } = region;
  const index = patIndex(region);
  return (
    Present |
    ((attributes & MemoryAttributes.ReadOnly) === 0 ? Writable : 0) |
    ((attributes & MemoryAttributes.ExecuteProtect) === 0 ? 0 : NoExecute) |
    ((attributes & MemoryAttributes.Supervisor) === 0 ? UserAccessible : 0) |
    (x64?.global === true ? Global : 0) |
    ((index & 1) === 0 ? 0 : WriteThrough) |
    ((index & 2) === 0 ? 0 : NoCache)
  );
}

/** The first entry of PAT with a region's memory type. */
function patIndex({ attributes, x64 }: LayoutRegion): number {
  const accepted = acceptedMemoryTypes(attributes, 'x64');
  const entries = Array.from({ length: 8 }, (_, index) => Number((FULL_PAT >> BigInt(8 * index)) & 7n));
  if (x64?.memoryType !== undefined) return entries.indexOf(x64MemoryTypeNumber(x64.memoryType));
  const declared = attributes & CACHE_ATTRIBUTES & ~MemoryAttributes.Writeback;
  // Write-back in the tables fulfils any cache attribute; what was declared is still put there.
  const exact = entries.findIndex((type) => accepted[type] !== 0 && type !== entries[0]);
  return declared === 0 || exact < 0 ? 0 : exact;
}

/** Sets PAT in the leaves of regions whose index needs it: bit 7 of a 4 KiB leaf, bit 12 of a larger one. */
function setHighPatBits(
  regions: readonly LayoutRegion[],
  memory: PhysicalMemory,
  registers: X64Registers,
): void {
  const affected = regions.filter((region) => patIndex(region) >= 4);
  if (affected.length === 0) return;
  const leaves = createWalker(memory, registers).leaves();
  let at = 0;
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const page = leaves.pageNumber[leaf] as number;
    while (at < affected.length && endOf(affected[at] as LayoutRegion) <= page) at++;
    const region = affected[at];
    if (region === undefined) break;
    if (page < region.firstPage) continue;
    const entry = leaves.entryAddress[leaf] as number;
    const bit = leaves.pageCount[leaf] === 1 ? EntryLow.PatOfPage : EntryLow.PatOfLargePage;
    memory.writeEntry(entry, (memory.readEntry(entry) ?? 0n) | BigInt(bit));
  }
}

function endOf({ firstPage, pageCount }: LayoutRegion): number {
  return firstPage + pageCount;
}

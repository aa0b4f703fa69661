import { AArch64PageTable } from '../../../src/aarch64/aarch64-page-table.ts';
import { addressOfPage, FRAME_SIZE } from '../../../src/addresses.ts';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../../src/memory/sequential-allocator.ts';
import type { PageTableOptions } from '../../../src/patina/page-table.ts';
import type { X64Registers } from '../../../src/registers.ts';
import type { MappedPageTable } from '../../../src/x64/mapper/mapped-page-table.ts';
import { X64PageTable } from '../../../src/x64/x64-page-table.ts';
import type { GuestImage } from '../../machine.ts';
import { InputError } from '../input-error.ts';
import { selfMapOf } from '../self-map.ts';
import type { UpkeepRange } from '../types.ts';
import { aarch64Frames } from './aarch64-frames.ts';
import { aarch64PhysicalBits } from './aarch64-geometry.ts';
import type { AArch64Tables } from './aarch64-tables.ts';
import { buildAArch64, needsMapping } from './build-aarch64.ts';
import { buildMapped, mapperFrames, needsMapper } from './build-mapped.ts';
import type { Layout, LayoutRegion, X64Layout } from './layout.ts';
import { tableFrames } from './table-frames.ts';

/** A layout as tables of the engine. */
export interface BuiltLayout extends GuestImage {
  readonly pageTable: X64PageTable | AArch64PageTable | MappedPageTable | AArch64Tables;
  /** What the tables map besides the layout. */
  readonly upkeep: readonly UpkeepRange[];
}

/** Tables are not put below: real-mode code and whatever else lives in the first 2 MiB stays possible. */
const FIRST_TABLE_FRAME = 0x20_0000 / FRAME_SIZE;
/** How far up a place outside of every region is looked for: emulated memory reaches up to the tables. */
const LAST_TABLE_FRAME = 0x4000_0000 / FRAME_SIZE;
/** What every x64 machine has; a layout that reaches higher asks for more. */
const COMMON_PHYSICAL_ADDRESS_BITS = 40;
/** Room for the tables that the engine makes before anything is mapped. */
const UPKEEP_BYTES = 16 * FRAME_SIZE;
/** Tables of more than this are refused: 2^18 frames are 1 GiB. */
const MOST_TABLE_FRAMES = 2 ** 18;

/**
 * Builds the tables of a layout with the engine.
 * @param file the layout's path, for messages
 * @throws InputError if the engine cannot make such tables, or they would take more than 1 GiB
 */
export function buildLayout(layout: Layout, file = 'layout'): BuiltLayout {
  const { frames, alignment, build } = constructionOf(layout);
  if (frames > MOST_TABLE_FRAMES) {
    throw new InputError(file, `needs ${frames} page tables; at most ${MOST_TABLE_FRAMES} are built`);
  }
  const base = placeTables(layout.regions, frames, alignment) * FRAME_SIZE;
  const buffer = new ArrayBuffer(frames * FRAME_SIZE);
  const building = new PhysicalMemory();
  building.addRange(base, buffer);
  const allocator = new SequentialAllocator(base, buffer.byteLength);
  const built = build(building, allocator);

  const memory = new PhysicalMemory();
  memory.addRange(base, buffer, 0, allocator.allocatedPages * FRAME_SIZE);
  return { memory, ...built, upkeep: selfMapOf(memory, built.registers) };
}

/** How the tables of a layout are made. */
interface Construction {
  /** Frames that they fill at most, and of how many the place of the first must be a multiple. */
  readonly frames: number;
  readonly alignment: number;
  build(memory: PhysicalMemory, allocator: SequentialAllocator): Pick<BuiltLayout, 'pageTable' | 'registers'>;
}

function constructionOf(layout: Layout): Construction {
  const levels = layout.architecture === 'x64' && layout.paging === '5-level' ? 5 : 4;
  if (layout.architecture === 'x64' && needsMapper(layout)) {
    return {
      frames: mapperFrames(layout.regions, levels),
      alignment: 1,
      build: (memory, allocator) => buildMapped(layout, memory, allocator, modeRegisters(layout)),
    };
  }
  if (layout.architecture === 'aarch64' && needsMapping(layout)) {
    return {
      ...aarch64Frames(layout),
      build: (memory, allocator) =>
        buildAArch64(layout, memory, allocator, aarch64PhysicalBits(layout, bitsOf(layout.regions))),
    };
  }
  return {
    frames: tableFrames(layout.regions, levels),
    alignment: 1,
    build: (memory, allocator) => buildIdentity(layout, { memory, allocator }),
  };
}

/** Regions at their own addresses, with the engine's Patina tables. */
function buildIdentity(
  layout: Layout,
  options: Pick<PageTableOptions, 'memory' | 'allocator'>,
): Pick<BuiltLayout, 'pageTable' | 'registers'> {
  const pageTable = createPageTable(layout, options);
  for (const { base, size, attributes } of layout.regions) pageTable.mapMemoryRegion(base, size, attributes);
  return { pageTable, registers: pageTable.registers() };
}

/** The registers of x64 tables of a layout's mode, without a root. */
function modeRegisters(layout: X64Layout): Omit<X64Registers, 'cr3'> {
  const { cr3: _, ...registers } = X64PageTable.create({
    memory: PhysicalMemory.allocate(0, UPKEEP_BYTES),
    allocator: new SequentialAllocator(0, UPKEEP_BYTES),
    pagingType: layout.paging,
    physicalAddressBits: physicalAddressBitsOf(layout),
  }).registers();
  return registers;
}

function createPageTable(
  layout: Layout,
  options: Pick<PageTableOptions, 'memory' | 'allocator'>,
): X64PageTable | AArch64PageTable {
  const physicalAddressBits = physicalAddressBitsOf(layout);
  return layout.architecture === 'x64'
    ? X64PageTable.create({
        ...options,
        pagingType: layout.paging,
        supervisorAttribute: true,
        physicalAddressBits,
      })
    : AArch64PageTable.create({
        ...options,
        regime: layout.regime === 'el1' ? 'el1' : 'el2',
        physicalAddressBits,
      });
}

/** Physical address bits that reach every region. */
function bitsOf(regions: readonly LayoutRegion[]): number {
  const endFrame = regions.reduce(
    (most, { firstFrame, pageCount }) => Math.max(most, firstFrame + pageCount),
    1,
  );
  return (addressOfPage(endFrame) - 1n).toString(2).length;
}

/** 40 where that reaches every region, because each machine has it; otherwise as many as are needed. */
function physicalAddressBitsOf(layout: Layout): number {
  const needed = bitsOf(layout.regions);
  return layout.architecture === 'x64'
    ? Math.max(COMMON_PHYSICAL_ADDRESS_BITS, needed)
    : aarch64PhysicalBits(layout, needed);
}

/** First frame of the tables: behind what the regions are mapped to if there is room, so that none maps a table. */
function placeTables(regions: readonly LayoutRegion[], frames: number, alignment: number): number {
  let free = FIRST_TABLE_FRAME;
  for (const { firstFrame, pageCount } of regions.toSorted((a, b) => a.firstFrame - b.firstFrame)) {
    if (firstFrame >= free + frames) break;
    free = Math.max(free, Math.ceil((firstFrame + pageCount) / alignment) * alignment);
  }
  return free + frames <= LAST_TABLE_FRAME ? free : FIRST_TABLE_FRAME;
}

import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import type { PatinaPageTable } from '../../src/patina/page-table.ts';
import { PagingType } from '../../src/patina/paging-type.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';
import type { Workload } from '../workload.ts';

/** Where the workloads map. */
const S = 0x40_0000_0000;
const PAGE = 4096;
const MIB_2 = 512 * PAGE;
const GIB = 512 * MIB_2;
const PAGES = GIB / PAGE;
const PERMUTED_CALLS = 1_000_000;
/** Tables that one run of a2 maps into, because one call is too short for the clock. */
const A2_TABLES = 128;

const TABLES_BASE = 0x1_0000_0000;
const TABLE_FRAMES = 4096;
/** The memory of all tables; its pages have been touched before anything is timed. */
const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * PAGE);
for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);

interface Kind {
  readonly name: string;
  readonly plain: number;
  create(base: number, frames: number): PatinaPageTable;
  /** Nanoseconds per unit from SPEED-native.md. */
  readonly native: Readonly<Record<string, number>>;
}

function options(base: number, frames: number) {
  return { memory, allocator: new SequentialAllocator(base, frames * PAGE) };
}

const KINDS: readonly Kind[] = [
  {
    name: 'patina/x64-4',
    plain: MemoryAttributes.None,
    create: (base, frames) => X64PageTable.create(options(base, frames)),
    native: { a1: 23.24, a2: 0.0076, a3: 1.97, b: 26.77, c: 1.44, c2: 18.83, e: 3.61, d: 1.4 },
  },
  {
    name: 'patina/x64-5',
    plain: MemoryAttributes.None,
    create: (base, frames) =>
      X64PageTable.create({ ...options(base, frames), pagingType: PagingType.Paging5Level }),
    native: { a1: 28.04, a2: 0.0076, a3: 1.98, b: 31.53, c: 1.44, c2: 23.13, e: 3.61, d: 1.41 },
  },
  {
    name: 'patina/aarch64-4',
    plain: MemoryAttributes.Writeback,
    create: (base, frames) => AArch64PageTable.create(options(base, frames)),
    native: { a1: 20.58, a2: 0.0114, a3: 2.56, b: 23.79, c: 1.68, c2: 17.58, e: 4.3, d: 1.46 },
  },
];

/** The workloads of SPEED-native.md on Patina's tables. */
export const PATINA_WORKLOADS: readonly Workload[] = KINDS.flatMap(workloadsOf);

function workloadsOf(kind: Kind): Workload[] {
  const fresh = (): PatinaPageTable => kind.create(TABLES_BASE, TABLE_FRAMES);
  const readOnly = kind.plain | MemoryAttributes.ReadOnly;
  /** 1 GiB of individually mapped pages. */
  const mapped = (): PatinaPageTable => {
    const table = fresh();
    for (let page = 0; page < PAGES; page++) table.mapMemoryRegion(S + page * PAGE, PAGE, kind.plain);
    return table;
  };
  const workload = (id: string, units: number, prepare: Workload['prepare']): Workload => ({
    id: `${kind.name}/${id}`,
    units,
    nativeNs: kind.native[id],
    prepare,
  });

  return [
    workload('a1', PAGES, () => {
      const table = fresh();
      return {
        run() {
          for (let page = 0; page < PAGES; page++) {
            table.mapMemoryRegion(S + page * PAGE, PAGE, (page & 1) === 0 ? kind.plain : readOnly);
          }
        },
        check: () => checkRegions(table, PAGES, PAGES, kind.plain ^ readOnly),
      };
    }),
    workload('a2', PAGES * A2_TABLES, () => {
      const frames = 16;
      const tables = Array.from({ length: A2_TABLES }, (_, index) =>
        kind.create(TABLES_BASE + index * frames * PAGE, frames),
      );
      return {
        run() {
          for (const table of tables) table.mapMemoryRegion(S + PAGE, GIB, kind.plain);
        },
        check() {
          for (const table of tables) checkRegions(table, 511 + 511 + 1, PAGES, 0);
        },
      };
    }),
    workload('a3', 512 * 511, () => {
      const table = fresh();
      return {
        run() {
          for (let block = 0; block < 512; block++) {
            table.mapMemoryRegion(S + block * MIB_2, MIB_2 - PAGE, kind.plain);
          }
        },
        check: () => checkRegions(table, 512 * 511, 512 * 511, 0),
      };
    }),
    workload('b', PERMUTED_CALLS, () => {
      const table = fresh();
      return {
        run() {
          for (let call = 0; call < PERMUTED_CALLS; call++) {
            table.mapMemoryRegion(S + permuted(call) * PAGE, PAGE, kind.plain);
          }
        },
        check: () => checkRegions(table, PERMUTED_CALLS, PERMUTED_CALLS, 0),
      };
    }),
    workload('c', PAGES, () => {
      const table = mapped();
      let attributes = -1;
      return {
        run() {
          attributes = table.queryMemoryRegion(S, GIB);
        },
        check: () => checkEqual('attributes', attributes, kind.plain),
      };
    }),
    workload('c2', PAGES, () => {
      const table = mapped();
      let sum = 0;
      return {
        run() {
          for (let page = 0; page < PAGES; page++) sum += table.queryMemoryRegion(S + page * PAGE, PAGE);
        },
        check: () => checkEqual('sum of attributes', sum, PAGES * kind.plain),
      };
    }),
    workload('e', PAGES, () => {
      const table = mapped();
      let folded = 0;
      let regions = 0;
      return {
        run() {
          const cursor = table.mappedRegionCursor();
          while (cursor.advance()) {
            folded ^= cursor.page ^ cursor.frame ^ cursor.attributes;
            regions++;
          }
        },
        check() {
          checkEqual('regions', regions, PAGES);
          checkEqual('fold', folded, 0);
        },
      };
    }),
    workload('d', PAGES, () => {
      const table = mapped();
      return {
        run: () => table.unmapMemoryRegion(S, GIB),
        check: () => checkRegions(table, 0, 0, 0),
      };
    }),
  ];
}

/** A bijection on 2^20 pages that jumps from table to table. */
function permuted(call: number): number {
  return (call * 40_503) & 0xf_ffff;
}

/**
 * Checks number of leaves, identity mapping, and the number of pages; that attributes change from page to page in
 * `changing` bits only.
 */
function checkRegions(table: PatinaPageTable, leaves: number, pages: number, changing: number): void {
  const cursor = table.mappedRegionCursor();
  let foundLeaves = 0;
  let foundPages = 0;
  let previous: number | undefined;
  while (cursor.advance()) {
    foundLeaves++;
    foundPages += cursor.pageCount;
    checkEqual('frame', cursor.frame, cursor.page);
    if (previous !== undefined) checkEqual('changing attributes', cursor.attributes ^ previous, changing);
    previous = cursor.attributes;
  }
  checkEqual('leaves', foundLeaves, leaves);
  checkEqual('pages', foundPages, pages);
}

function checkEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`wrong result: ${what} is ${actual}, expected ${expected}`);
}

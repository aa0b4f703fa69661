import { Page } from '../../src/x64/mapper/page.ts';
import { Size2MiB, Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PageTableFlags } from '../../src/x64/mapper/page-table-flags.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import type { TlbCase } from './tlb-case.ts';
import { type X64CaseTables as CaseTables, type FlushPromise, type X64Change, x64Case } from './x64-case.ts';

const { Present, Writable, UserAccessible, Global, NoExecute } = PageTableFlags;
const ALL = Present | Writable | UserAccessible;
const CR4_PGE = 1n << 7n;
const CR4_PCIDE = 1n << 17n;

/**
 * Where no machine has memory, so that the physical address shows; and pages whose numbers differ in their low bits
 * from those of a stub's: a TLB that is indexed by them would lose them to it.
 */
const HUGE_FRAME = 0x12_3440_0000n;
const OTHER_FRAME = 0x12_5500_0000n;
const HUGE_PAGE = 0x4020_0000n;
const PAGE = HUGE_PAGE + 0x8_5000n;
const FRAME = HUGE_FRAME + 0x8_5000n;
const PAGES_OF_2_MIB = 512;

const page = (address: bigint) => Page.fromStartAddress(Size4KiB, address);
const frame = (address: bigint) => PhysFrame.fromStartAddress(Size4KiB, address);

const map =
  (flags: number, physical = FRAME) =>
  ({ table, frames }: CaseTables): FlushPromise =>
    table.size4KiB.mapTo(page(PAGE), frame(physical), flags, frames);
const mapped = (flags: number) => (tables: CaseTables) => map(flags)(tables).ignore();
const changeFlags =
  (flags: number) =>
  ({ table }: CaseTables) => [table.size4KiB.updateFlags(page(PAGE), flags)];

function remap(flags: number) {
  return (tables: CaseTables): FlushPromise[] => [
    tables.table.size4KiB.unmap(page(PAGE)).flush,
    map(flags, OTHER_FRAME)(tables),
  ];
}

/** One 4 KiB page of a 2 MiB page leads elsewhere, and the next can only be read. */
function split({ table, frames }: CaseTables): FlushPromise[] {
  const promises: FlushPromise[] = [table.size2MiB.unmap(Page.fromStartAddress(Size2MiB, HUGE_PAGE)).flush];
  for (let index = 0n; index < PAGES_OF_2_MIB; index++) {
    const offset = index * 0x1000n;
    const moved = HUGE_PAGE + offset === PAGE;
    const flags = HUGE_PAGE + offset === PAGE + 0x1000n ? Present | UserAccessible | NoExecute : ALL;
    const target = frame(moved ? OTHER_FRAME : HUGE_FRAME + offset);
    // The entries were not present, so nothing can be cached of them; what is, is of the 2 MiB page.
    table.size4KiB.mapTo(page(HUGE_PAGE + offset), target, flags, frames).ignore();
  }
  return promises;
}

const restrictTop = ({ table }: CaseTables): FlushPromise[] => [
  table.size4KiB.setFlagsP4Entry(page(PAGE), Present | UserAccessible),
];

const CHANGES: readonly X64Change[] = [
  {
    name: 'map a page that was not mapped',
    withoutFlush: 'nothing',
    pages: [PAGE],
    prepare: () => {},
    change: (tables) => [map(ALL)(tables)],
  },
  {
    name: 'unmap',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: ({ table }) => [table.size4KiB.unmap(page(PAGE)).flush],
  },
  {
    name: 'remap to another frame',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: remap(ALL),
  },
  {
    name: 'restrict: take writing away',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: changeFlags(Present | UserAccessible),
  },
  {
    name: 'restrict: take user access away',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: changeFlags(Present | Writable),
  },
  {
    name: 'restrict: forbid execution',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: changeFlags(ALL | NoExecute),
  },
  {
    name: 'restrict the level 4 entry',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: restrictTop,
  },
  {
    name: 'relax: allow everything',
    withoutFlush: 'spurious fault',
    pages: [PAGE],
    prepare: ({ table, frames }) =>
      table.size4KiB.mapToWithTableFlags(page(PAGE), frame(FRAME), Present | NoExecute, ALL, frames).ignore(),
    change: changeFlags(ALL),
  },
  {
    name: 'split a 2 MiB page',
    withoutFlush: 'stale',
    pages: [PAGE, PAGE + 0x1000n, PAGE + 0x2000n],
    prepare: ({ table, frames }) =>
      table.size2MiB
        .mapTo(
          Page.fromStartAddress(Size2MiB, HUGE_PAGE),
          PhysFrame.fromStartAddress(Size2MiB, HUGE_FRAME),
          ALL,
          frames,
        )
        .ignore(),
    change: split,
  },
  {
    name: 'remap a global page, CR4.PGE = 1',
    cr4: CR4_PGE,
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL | Global),
    change: remap(ALL | Global),
  },
  {
    name: 'remap a global page, CR4.PGE = 0',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL | Global),
    change: remap(ALL | Global),
  },
  {
    name: 'restrict the level 4 entry above a global page, CR4.PGE = 1',
    cr4: CR4_PGE,
    withoutFlush: 'stale all the same',
    pages: [PAGE],
    prepare: mapped(ALL | Global),
    change: restrictTop,
  },
  {
    name: 'restrict the level 4 entry above a global page, CR4.PGE = 0',
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL | Global),
    change: restrictTop,
  },
  {
    name: 'unmap, CR4.PCIDE = 1',
    cr4: CR4_PCIDE,
    needs: ['PCID'],
    withoutFlush: 'stale',
    pages: [PAGE],
    prepare: mapped(ALL),
    change: ({ table }) => [table.size4KiB.unmap(page(PAGE)).flush],
  },
];

/** The changes whose flushes are put to the machines. */
export const X64_TLB_CASES: readonly TlbCase[] = CHANGES.map(x64Case);

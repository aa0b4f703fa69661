import { addressOfPage, hex } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import type { DeclaredRegion } from './expectation-declaration.ts';
import { FRAMES_OF_PAGE_SIZE } from './inputs/layout/x64-region.ts';
import type { MismatchLog } from './verdict-log.ts';

/** The name under which contradictions in the tables themselves are reported. */
export const TABLES = 'tables';

/**
 * Holds what a layout declares of x64 leaves, and what no access shows (page size, G), against the leaves.
 * @param regions ascending, without overlaps
 */
export function judgeLeaves(
  regions: readonly DeclaredRegion[],
  leaves: LeafList,
  memory: PhysicalMemory,
  log: MismatchLog,
): void {
  if (regions.every(({ x64 }) => x64 === undefined)) return;
  let at = 0;
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const page = leaves.pageNumber[leaf] as number;
    const pages = leaves.pageCount[leaf] as number;
    while (at < regions.length && endOf(regions[at] as DeclaredRegion) <= page) at++;
    const region = regions[at];
    if (region === undefined) return;
    if (region.x64 === undefined || page + pages <= region.firstPage) continue;
    const entry = memory.readEntry(leaves.entryAddress[leaf] as number) ?? 0n;
    const remark = contradiction(region.x64, pages, (entry & BigInt(EntryLow.Global)) !== 0n);
    if (remark !== undefined) {
      const address = hex(addressOfPage(page));
      log.add(TABLES, leaf, address, `${at} ${remark}`, () => ({
        machine: TABLES,
        address,
        access: 'read',
        privilege: 'supervisor',
        region: region.name,
        declared: null,
        queried: null,
        predicted: null,
        observed: null,
        alone: null,
        remark: `the leaf at ${hex(leaves.entryAddress[leaf] as number)} (${hex(entry)}) ${remark}`,
      }));
    }
  }
}

function contradiction(
  { global, pageSize }: NonNullable<DeclaredRegion['x64']>,
  pages: number,
  isGlobal: boolean,
): string | undefined {
  if (global !== undefined && global !== isGlobal) {
    return isGlobal ? 'is global, and declared not to be' : 'is not global, though declared so';
  }
  return pageSize !== undefined && pages > FRAMES_OF_PAGE_SIZE[pageSize]
    ? `maps ${pages * 4} KiB, more than the declared page size ${pageSize}`
    : undefined;
}

function endOf({ firstPage, pageCount }: DeclaredRegion): number {
  return firstPage + pageCount;
}

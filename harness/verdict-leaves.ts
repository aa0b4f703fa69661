import { DescriptorLow, SHAREABILITY_SHIFT } from '../src/aarch64/descriptor-bits.ts';
import { addressOfPage, hex } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import type { DeclaredRegion } from './expectation-declaration.ts';
import {
  AARCH64_FRAMES_OF_PAGE_SIZE,
  type ShareName,
  shareabilityBits,
  shareNameOf,
} from './inputs/layout/aarch64-region.ts';
import { FRAMES_OF_PAGE_SIZE } from './inputs/layout/x64-region.ts';
import type { MismatchLog } from './verdict-log.ts';

/** The name under which contradictions in the tables themselves are reported. */
export const TABLES = 'tables';

/**
 * Holds what a layout declares of leaves, and what no access shows (page size, G or nG) or not every machine (SH), against
 * the leaves.
 * @param regions ascending, without overlaps
 */
export function judgeLeaves(
  regions: readonly DeclaredRegion[],
  leaves: LeafList,
  memory: PhysicalMemory,
  log: MismatchLog,
): void {
  const declared = regions.map(leafDeclaration);
  if (declared.every((declaration) => declaration === undefined)) return;
  let at = 0;
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const page = leaves.pageNumber[leaf] as number;
    const pages = leaves.pageCount[leaf] as number;
    while (at < regions.length && endOf(regions[at] as DeclaredRegion) <= page) at++;
    const region = regions[at];
    if (region === undefined) return;
    const declaration = declared[at];
    if (declaration === undefined || page + pages <= region.firstPage) continue;
    const entry = memory.readEntry(leaves.entryAddress[leaf] as number) ?? 0n;
    const remark = contradiction(declaration, pages, entry);
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

/** What a region declares of its leaves; undefined: not declared. */
interface LeafDeclaration {
  /** Bits of a leaf that say whether it is global, and their value if it is. */
  readonly globalBits: bigint;
  readonly globalValue: bigint;
  readonly global: boolean | undefined;
  readonly share: ShareName | undefined;
  readonly pageSize: string | undefined;
  /** Of the page size, in 4 KiB pages. */
  readonly mostPages: number;
}

function leafDeclaration({ x64, aarch64 }: DeclaredRegion): LeafDeclaration | undefined {
  if (x64 !== undefined) {
    const { global, pageSize } = x64;
    const bit = BigInt(EntryLow.Global);
    const mostPages = pageSize === undefined ? Number.POSITIVE_INFINITY : FRAMES_OF_PAGE_SIZE[pageSize];
    return { globalBits: bit, globalValue: bit, global, share: undefined, pageSize, mostPages };
  }
  if (aarch64 === undefined) return undefined;
  const { global, pageSize, share } = aarch64;
  const globalBits = BigInt(DescriptorLow.NotGlobal);
  const mostPages = pageSize === undefined ? Number.POSITIVE_INFINITY : AARCH64_FRAMES_OF_PAGE_SIZE[pageSize];
  return { globalBits, globalValue: 0n, global, share, pageSize, mostPages };
}

function contradiction(declaration: LeafDeclaration, pages: number, entry: bigint): string | undefined {
  const { globalBits, globalValue, global, share, pageSize, mostPages } = declaration;
  const isGlobal = (entry & globalBits) === globalValue;
  if (global !== undefined && global !== isGlobal) {
    return isGlobal ? 'is global, and declared not to be' : 'is not global, though declared so';
  }
  const shareability = Number((entry >> BigInt(SHAREABILITY_SHIFT)) & SHAREABILITY_MASK);
  if (share !== undefined && shareability !== shareabilityBits(share)) {
    return `has SH ${shareability} (${shareNameOf(shareability) ?? 'reserved'}), and share ${share} is declared`;
  }
  return pages > mostPages
    ? `maps ${pages * 4} KiB, more than the declared page size ${pageSize}`
    : undefined;
}

const SHAREABILITY_MASK = 3n;

function endOf({ firstPage, pageCount }: DeclaredRegion): number {
  return firstPage + pageCount;
}

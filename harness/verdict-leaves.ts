import { DescriptorLow, SHAREABILITY_SHIFT } from '../src/aarch64/descriptor-bits.ts';
import { addressOfPage, hex } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import type { DeclaredRegion } from './expectation-declaration.ts';
import {
  AARCH64_FRAMES_OF_PAGE_SIZE,
  hasNone,
  type ShareName,
  shareabilityBits,
  shareNameOf,
} from './inputs/layout/aarch64-region.ts';
import { FRAMES_OF_PAGE_SIZE } from './inputs/layout/x64-region.ts';
import type { MismatchLog } from './verdict-log.ts';

/** The name under which contradictions in the tables themselves are reported. */
export const TABLES = 'tables';

/**
 * Holds what a layout declares of leaves, and what no access shows (page size, G or nG, where memory lies that nobody may
 * touch) or not every machine (SH), against the leaves.
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
  let first = 0;
  for (let index = 0; index < leaves.length; index++) {
    const page = leaves.pageNumber[index] as number;
    const pages = leaves.pageCount[index] as number;
    while (first < regions.length && endOf(regions[first] as DeclaredRegion) <= page) first++;
    for (let at = first; at < regions.length; at++) {
      const region = regions[at] as DeclaredRegion;
      if (region.firstPage >= page + pages) break;
      const declaration = declared[at];
      if (declaration === undefined) continue;
      const entryAddress = leaves.entryAddress[index] as number;
      const entry = memory.readEntry(entryAddress) ?? 0n;
      const remark = contradiction(declaration, { page, pages, frame: leaves.frame[index] as number, entry });
      if (remark === undefined) continue;
      const address = hex(addressOfPage(Math.max(page, region.firstPage)));
      log.add(TABLES, index, address, `${at} ${remark}`, () => ({
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
        remark: `the leaf at ${hex(entryAddress)} (${hex(entry)}) ${remark}`,
      }));
    }
  }
}

interface Leaf {
  readonly page: number;
  readonly pages: number;
  readonly frame: number;
  readonly entry: bigint;
}

/** What a region declares of its leaves; undefined: not declared. */
interface LeafDeclaration {
  /** The bit of a leaf that says whether it is global, and its value if it is. */
  readonly globalBit: bigint;
  readonly globalValue: bigint;
  readonly global: boolean | undefined;
  readonly share: ShareName | undefined;
  readonly pageSize: string | undefined;
  /** Of the page size, in 4 KiB pages. */
  readonly mostPages: number;
  /** First frame minus first page, where no access can show it. */
  readonly offset: number | undefined;
}

const ANY_SIZE = Number.POSITIVE_INFINITY;

function leafDeclaration(region: DeclaredRegion): LeafDeclaration | undefined {
  const { x64, aarch64, firstFrame, firstPage } = region;
  if (x64 !== undefined) {
    const { global, pageSize } = x64;
    const bit = BigInt(EntryLow.Global);
    const mostPages = pageSize === undefined ? ANY_SIZE : FRAMES_OF_PAGE_SIZE[pageSize];
    const nothing = { share: undefined, offset: undefined };
    return { ...nothing, globalBit: bit, globalValue: bit, global, pageSize, mostPages };
  }
  if (aarch64 === undefined) return undefined;
  const { global, guest, pageSize, share } = aarch64;
  return {
    globalBit: BigInt(DescriptorLow.NotGlobal),
    globalValue: 0n,
    global,
    share,
    pageSize,
    mostPages: pageSize === undefined ? ANY_SIZE : AARCH64_FRAMES_OF_PAGE_SIZE[pageSize],
    offset: guest !== undefined && hasNone(guest) ? firstFrame - firstPage : undefined,
  };
}

function contradiction(declaration: LeafDeclaration, leaf: Leaf): string | undefined {
  const { globalBit, globalValue, global, share, pageSize, mostPages, offset } = declaration;
  const { page, pages, frame, entry } = leaf;
  const isGlobal = (entry & globalBit) === globalValue;
  if (global !== undefined && global !== isGlobal) {
    return isGlobal ? 'is global, and declared not to be' : 'is not global, though declared so';
  }
  const shareability = Number((entry & SHAREABILITY) >> BigInt(SHAREABILITY_SHIFT));
  if (share !== undefined && shareability !== shareabilityBits(share)) {
    return `has SH ${shareability} (${shareNameOf(shareability) ?? 'reserved'}), and share ${share} is declared`;
  }
  if (offset !== undefined && frame - page !== offset) {
    return `maps to ${hex(addressOfPage(frame))}, and ${hex(addressOfPage(page + offset))} is declared`;
  }
  return pages > mostPages
    ? `maps ${pages * 4} KiB, more than the declared page size ${pageSize}`
    : undefined;
}

const SHAREABILITY = BigInt(DescriptorLow.Shareability);

function endOf({ firstPage, pageCount }: DeclaredRegion): number {
  return firstPage + pageCount;
}

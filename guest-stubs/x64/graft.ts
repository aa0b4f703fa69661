import { FRAME_SIZE, WORDS_PER_FRAME } from '../../src/addresses.ts';
import { MACHINE_AREA_OFFSET, STUB_REGION_BYTES } from '../protocol.ts';
import type { PagingLevels, Placement } from './placement.ts';

/** The virtual address of the page that markers are stored to, from the region's. */
export const MARKER_PAGE_OFFSET = STUB_REGION_BYTES;
/** The canary's distance from the region; nothing else in the slot is mapped. */
export const CANARY_OFFSET = 0x10_0000_0000;
/** Offset of the user page in the region. */
const USER_PAGE = 0x1000;

/** Tables in the region's machine area. */
const Table = {
  Root: 0,
  Bridge: 1,
  Level4: 2,
  Level3: 3,
  Level2: 4,
  Level1: 5,
  MarkerLevel1: 6,
  IdentityLevel4: 7,
  IdentityLevel3: 8,
} as const;
const TABLE_COUNT = 9;

/** The bytes of the region that {@link regionTables} fills, from {@link MACHINE_AREA_OFFSET}. */
export const TABLES_BYTES = TABLE_COUNT * FRAME_SIZE;

/** Physical address of the copy of the top-level table with the graft. */
export function rootOf(placement: Placement): number {
  return tableAddress(placement, Table.Root);
}

/** Physical address of the root under which `reset` runs and placements are left. */
export function bridgeOf(placement: Placement): number {
  return tableAddress(placement, Table.Bridge);
}

/** The index of the copied top-level table's first word in {@link regionTables}. */
export const ROOT_WORDS_OFFSET = Table.Root * WORDS_PER_FRAME;

// Entry bits, SDM Vol. 3A §4.5.4. A and D are set from the start: nobody looks at the stub's own.
const PRESENT_WRITABLE = 0x63;
const USER = 0x4;
const LARGE = 0x80;

/**
 * The tables of a placement, to be copied to {@link MACHINE_AREA_OFFSET} of its region: the top-level
 * table under test with the graft in it, and the bridge.
 * @param topLevel the 1024 words of the top-level table under test
 * @param all every placement; the bridge maps them all
 * @param markerFrame where markers go, a frame without memory; undefined to leave the page out
 */
export function regionTables(
  placement: Placement,
  topLevel: Uint32Array,
  all: readonly Placement[],
  levels: PagingLevels,
  markerFrame?: number,
): Uint32Array {
  const words = new Uint32Array(TABLE_COUNT * WORDS_PER_FRAME);
  const set = (table: number, index: number, address: number, flags: number) => {
    const at = table * WORDS_PER_FRAME + 2 * index;
    words[at] = ((address % 2 ** 32) | flags) >>> 0;
    words[at + 1] = Math.floor(address / 2 ** 32);
  };
  const own = (table: number) => tableAddress(placement, table);

  words.set(topLevel, Table.Root * WORDS_PER_FRAME);
  set(Table.Root, placement.slot, graftOf(placement, levels), PRESENT_WRITABLE | USER);
  if (levels === 5) set(Table.Level4, 0, own(Table.Level3), PRESENT_WRITABLE | USER);
  set(Table.Level3, 0, own(Table.Level2), PRESENT_WRITABLE | USER);
  set(Table.Level2, 0, own(Table.Level1), PRESENT_WRITABLE | USER);
  for (let page = 0; page < 512; page++) {
    const user = page * FRAME_SIZE === USER_PAGE ? USER : 0;
    set(Table.Level1, page, placement.region + page * FRAME_SIZE, PRESENT_WRITABLE | user);
  }
  set(Table.Level2, 1, placement.region + 0x20_0000, PRESENT_WRITABLE | LARGE);
  if (markerFrame !== undefined) {
    set(Table.Level2, 2, own(Table.MarkerLevel1), PRESENT_WRITABLE);
    set(Table.MarkerLevel1, 0, markerFrame * FRAME_SIZE, PRESENT_WRITABLE);
  }

  for (const other of all) set(Table.Bridge, other.slot, graftOf(other, levels), PRESENT_WRITABLE | USER);
  if (levels === 5) {
    set(Table.Bridge, 0, own(Table.IdentityLevel4), PRESENT_WRITABLE);
    set(Table.IdentityLevel4, 0, own(Table.IdentityLevel3), PRESENT_WRITABLE);
  } else {
    set(Table.Bridge, 0, own(Table.IdentityLevel3), PRESENT_WRITABLE);
  }
  for (let gib = 0; gib < 4; gib++) {
    set(Table.IdentityLevel3, gib, gib * 2 ** 30, PRESENT_WRITABLE | LARGE);
  }
  return words;
}

function graftOf(placement: Placement, levels: PagingLevels): number {
  return tableAddress(placement, levels === 5 ? Table.Level4 : Table.Level3);
}

function tableAddress(placement: Placement, table: number): number {
  return placement.region + MACHINE_AREA_OFFSET + table * FRAME_SIZE;
}

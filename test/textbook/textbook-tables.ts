import type { GuestImage } from '../../harness/machine.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { DEFAULT_PAT } from '../../src/registers.ts';

// Entry bits, SDM Vol. 3A §4.5.4.
const P = 1n << 0n;
const W = 1n << 1n;
const U = 1n << 2n;

/** Where the tables are. Level 4 to 1 of the address that the introductions walk to are at 16, 24, 32 and 40 KiB. */
export const TABLES = {
  PML4: 0x4000n,
  PDPT: 0x6000n,
  PD: 0x8000n,
  PT: 0xa000n,
  /** Those of the kernel below 512 GiB. */
  KernelPDPT: 0xd000n,
  KernelPD: 0xe000n,
  KernelPT: 0xf000n,
  /** The level 2 and 1 tables under the level 3 entry that restricts. */
  RestrictedPD: 0x1_0000n,
  RestrictedPT: 0x1_1000n,
} as const;

/** Level indices 1, 0, 511, 127 and offset 0x5ce. */
export const WALKED = 0x80_3fe7_f5cen;
export const WALKED_FRAME = 0xc000n;
/** An instruction of the kernel's code page, which can only be read. */
export const CODE = 0x20_31b2n;
export const CODE_FRAME = 0x40_0000n;
/** A page whose leaf allows everything, under a level 3 entry that allows only supervisor reads. */
export const RESTRICTED = 0x4000_0000n;
export const RESTRICTED_FRAME = 0x40_1000n;
/** Data of the kernel. */
export const DATA = 0x20_4000n;
export const DATA_FRAME = 0x40_2000n;
/** Nothing is mapped here. */
export const UNMAPPED = 0xdead_beafn;
/** Through entry 511 of the level 4 table, four times. */
export const LEVEL_4_TABLE = 0xffff_ffff_ffff_f000n;

/** The tables of the introductions to x86-64 paging, entry by entry. */
export const ENTRIES: readonly (readonly [place: bigint, entry: bigint])[] = [
  [TABLES.PML4 + 8n * 1n, TABLES.PDPT | P | W | U],
  [TABLES.PDPT + 8n * 0n, TABLES.PD | P | W | U],
  [TABLES.PD + 8n * 511n, TABLES.PT | P | W | U],
  [TABLES.PT + 8n * 127n, WALKED_FRAME | P | W | U],

  [TABLES.PML4 + 8n * 0n, TABLES.KernelPDPT | P | W | U],
  [TABLES.KernelPDPT + 8n * 0n, TABLES.KernelPD | P | W],
  [TABLES.KernelPD + 8n * 1n, TABLES.KernelPT | P | W],
  [TABLES.KernelPT + 8n * 3n, CODE_FRAME | P],
  [TABLES.KernelPT + 8n * 4n, DATA_FRAME | P | W],

  [TABLES.KernelPDPT + 8n * 1n, TABLES.RestrictedPD | P],
  [TABLES.RestrictedPD + 8n * 0n, TABLES.RestrictedPT | P | W | U],
  [TABLES.RestrictedPT + 8n * 0n, RESTRICTED_FRAME | P | W | U],

  [TABLES.PML4 + 8n * 511n, TABLES.PML4 | P | W],
];

const BASE = 0x4000;
const BYTES = 0x8000;
const TOP = 0xd000;
const TOP_BYTES = 0x5000;

/** The image: what lies between the tables, 0xc000, is the page that the walk ends in. */
export function textbookImage(): GuestImage {
  const memory = new PhysicalMemory();
  memory.addRange(BASE, new ArrayBuffer(BYTES));
  memory.addRange(TOP, new ArrayBuffer(TOP_BYTES));
  for (const [place, entry] of ENTRIES) memory.writeEntry(place, entry);
  return {
    memory,
    registers: {
      architecture: 'x64',
      cr0: 0x8001_0031n,
      cr3: TABLES.PML4,
      cr4: 0x20n,
      efer: 0xd00n,
      pat: DEFAULT_PAT,
      physicalAddressBits: 40,
    },
  };
}

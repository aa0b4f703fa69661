import { addressOfPage, FRAME_SIZE, hex, wordsToBigInt } from '../src/addresses.ts';
import { fieldOf, highMask, lowMask } from '../src/bit-field.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { MemoryRange, PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { AArch64Registers, Registers } from '../src/registers.ts';
import { NOTHING_COMPARED } from './report.ts';
import { TABLES } from './verdict-leaves.ts';
import type { MismatchLog } from './verdict-log.ts';

/** Bit 52, in the high word. */
const CONTIGUOUS = 1 << 20;
/** Bits 63:55, ignored or for software, in the high word, and AF: they may differ in a run. */
const FREE_HIGH = 0xff80_0000;
const FREE_LOW = 1 << 10;
/** With DBM, bit 51, hardware may have cleared AP[2] or set S2AP[1], bit 7, of some entries. */
const DIRTY_BIT_MODIFIER = 1 << 19;
const DIRTY = 1 << 7;
const ENTRY_BYTES = 8;

/**
 * Entries of a run by log2 of the page size and of what an entry maps (Arm ARM D8.6.1, the Contiguous bit). What no line
 * is for has no such runs, or only with FEAT_LPA or FEAT_LPA2, and is not judged.
 */
const RUN_ENTRIES: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  12: { 12: 16, 21: 16, 30: 16 },
  14: { 14: 128, 25: 32 },
  16: { 16: 32, 29: 32 },
};

/**
 * Holds the Contiguous bit of AArch64 leaves against the leaves beside it. A run of which not every entry has the bit, or
 * whose entries do not map one aligned stretch of memory in one way, is an error of programming: the architecture lets a
 * TLB take any of the entries for all, or abort (D8.6.1), and no emulator does. Tables of two stages at once are left out.
 */
export function judgeContiguous(
  registers: Registers,
  leaves: LeafList,
  memory: PhysicalMemory,
  log: MismatchLog,
): void {
  if (registers.architecture !== 'aarch64' || hasTwoStages(registers)) return;
  const pageShifts = pageShiftsOf(registers);
  let judged = -1;
  let range: MemoryRange | undefined;
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const entryAddress = leaves.entryAddress[leaf] as number;
    const frame = Math.floor(entryAddress / FRAME_SIZE);
    // Neighbours among a million leaves have their entries in one range.
    if (range === undefined || frame < range.firstFrame || frame >= range.firstFrame + range.frameCount) {
      range = memory.rangeHolding(frame);
    }
    const at = (entryAddress - (range?.firstFrame ?? 0) * FRAME_SIZE) / 4;
    if (((range?.words[at + 1] ?? 0) & CONTIGUOUS) === 0) continue;
    const page = leaves.pageNumber[leaf] as number;
    const shift = Math.log2((leaves.pageCount[leaf] as number) * FRAME_SIZE);
    const entries = RUN_ENTRIES[pageShifts[page < UPPER_HALF ? 0 : 1]]?.[shift];
    if (entries === undefined) continue;
    const start = entryAddress - (entryAddress % (entries * ENTRY_BYTES));
    if (start === judged) continue;
    judged = start;
    const odd = oddEntry(memory, start, entries, shift);
    if (odd === undefined) continue;
    const address = hex(addressOfPage(page));
    const remark = `the run of ${entries} entries at ${hex(start)} with the Contiguous bit is broken by the entry at ${hex(odd.address)} (${hex(odd.value)})`;
    log.add(TABLES, leaf, address, `contiguous ${start}`, () => ({
      machine: TABLES,
      address,
      access: 'read',
      privilege: 'supervisor',
      ...NOTHING_COMPARED,
      remark,
    }));
  }
}

/** Number of the first page of the upper half of 64-bit addresses. */
const UPPER_HALF = 2 ** 51;

/** The first entry of a run that does not continue it; undefined if there is none. */
function oddEntry(
  memory: PhysicalMemory,
  start: number,
  entries: number,
  shift: number,
): { readonly address: number; readonly value: bigint } | undefined {
  const first = entryWords(memory, start);
  // The address bits that count the entries.
  const end = shift + Math.log2(entries);
  const isDirtied = first !== undefined && ((first.of[first.at + 1] as number) & DIRTY_BIT_MODIFIER) !== 0;
  const sameLow = ~(FREE_LOW | (isDirtied ? DIRTY : 0) | lowMask(shift, end));
  const sameHigh = ~(FREE_HIGH | highMask(shift, end));
  for (let index = 0; index < entries; index++) {
    const address = start + index * ENTRY_BYTES;
    const entry = entryWords(memory, address);
    const low = entry?.of[entry.at] ?? 0;
    const high = entry?.of[entry.at + 1] ?? 0;
    const differs =
      first === undefined ||
      (((first.of[first.at] as number) ^ low) & sameLow) !== 0 ||
      (((first.of[first.at + 1] as number) ^ high) & sameHigh) !== 0;
    const isOdd = (high & CONTIGUOUS) === 0 || fieldOf(low, high, shift, entries - 1) !== index;
    if (differs || isOdd) return { address, value: wordsToBigInt(low, high) };
  }
  return undefined;
}

function entryWords(
  memory: PhysicalMemory,
  address: number,
): { readonly of: Uint32Array; readonly at: number } | undefined {
  const range = memory.rangeHolding(Math.floor(address / FRAME_SIZE));
  return range && { of: range.words, at: (address - range.firstFrame * FRAME_SIZE) / 4 };
}

/** SCTLR_ELx.M; HCR_EL2.VM and DC. */
const STAGE_ONE = 1n;
const STAGE_TWO = (1n << 0n) | (1n << 12n);
const DC = 1n << 12n;

function isStageTwo({ exceptionLevel, hcrEl2 }: AArch64Registers): boolean {
  return exceptionLevel === 1 && (hcrEl2 & STAGE_TWO) !== 0n;
}

function hasTwoStages(registers: AArch64Registers): boolean {
  const { sctlr, hcrEl2 } = registers;
  return isStageTwo(registers) && (sctlr & STAGE_ONE) !== 0n && (hcrEl2 & DC) === 0n;
}

/** log2 of the page size by TG0 (also VTCR_EL2's) and TG1; 0 where reserved. */
const TG0 = [12, 16, 14, 0] as const;
const TG1 = [0, 14, 12, 16] as const;

/** log2 of the page size of the lower and of the upper half. */
function pageShiftsOf(registers: AArch64Registers): readonly [number, number] {
  const { tcr, vtcr = 0n } = registers;
  const control = isStageTwo(registers) ? vtcr : tcr;
  return [TG0[Number((control >> 14n) & 3n)] ?? 0, TG1[Number((control >> 30n) & 3n)] ?? 0];
}

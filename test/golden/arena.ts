import { WORDS_PER_FRAME } from '../../src/addresses.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { Row } from './script.ts';

/** Physical address of page 0 of the arena from which the originals took their tables. */
export const ARENA_BASE = 0x1_0000_0000;
const PAGE_SIZE = 4096;
const ENTRIES = 512;
/** What a page holds before it is handed out. */
const GARBAGE = 0xa5a5_a5a5;

/** Simulated physical memory for tables: pages in a row from {@link ARENA_BASE}, filled with garbage. */
export class Arena {
  readonly memory: PhysicalMemory;

  constructor(pages: number) {
    this.memory = PhysicalMemory.allocate(ARENA_BASE, Math.max(pages, 1) * PAGE_SIZE);
    for (const { words } of this.memory.ranges) words.fill(GARBAGE);
  }

  /** Physical address of a page. */
  static addressOf(page: number): number {
    return ARENA_BASE + page * PAGE_SIZE;
  }

  /** The entries of a page, or undefined beyond the arena. */
  entries(page: number): bigint[] | undefined {
    const words = this.memory.frameWords(Arena.addressOf(page) / PAGE_SIZE);
    return words === undefined ? undefined : entriesOf(words);
  }
}

function entriesOf(words: Uint32Array): bigint[] {
  const entries: bigint[] = [];
  for (let at = 0; at < WORDS_PER_FRAME; at += 2) {
    entries.push((BigInt(words[at + 1] as number) << 32n) | BigInt(words[at] as number));
  }
  return entries;
}

/** The 512 entries that the rows of a table describe. */
export function expandRows(rows: readonly Row[]): bigint[] {
  const entries = Array.from({ length: ENTRIES }, () => 0n);
  for (const row of rows) {
    const [index] = row;
    const [count, first, stride] = row.length === 2 ? [1, row[1], '0x0'] : [row[1], row[2], row[3]];
    for (let k = 0; k < count; k++) {
      entries[index + k] = BigInt.asUintN(64, BigInt(first) + BigInt(k) * BigInt(stride));
    }
  }
  return entries;
}

import { frameOfEntry } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { PagingLevels } from './placement.ts';

const PRESENT = 0x1;
const PAGE_SIZE_BIT = 0x80;
/** The highest level whose entries can be leaves: the page-directory-pointer table. */
const HIGHEST_LEAF_LEVEL = 3;
const ENTRIES = 512;

/** The frames that a processor may read as tables. */
export interface TableFrames {
  /** Those that the memory has. */
  readonly present: ReadonlySet<number>;
  /** Those that table pointers lead to and that are not there. */
  readonly missing: ReadonlySet<number>;
}

/**
 * Follows every table pointer from the root, without judging entries: a guest's own data must stay clear of
 * whatever a processor could take for a table, and it writes accessed bits there.
 */
export function findTableFrames(memory: PhysicalMemory, root: number, levels: PagingLevels): TableFrames {
  const present = new Set<number>();
  const missing = new Set<number>();
  let current = new Set([root]);
  for (let level: number = levels; level >= 1; level--) {
    const next = new Set<number>();
    for (const frame of current) {
      const words = memory.frameWords(frame);
      if (words === undefined) {
        missing.add(frame);
        continue;
      }
      present.add(frame);
      if (level === 1) continue;
      for (let index = 0; index < ENTRIES; index++) {
        const low = words[2 * index] as number;
        if ((low & PRESENT) === 0) continue;
        if (level <= HIGHEST_LEAF_LEVEL && (low & PAGE_SIZE_BIT) !== 0) continue;
        next.add(frameOfEntry(low, words[2 * index + 1] as number));
      }
    }
    current = next;
  }
  return { present, missing };
}

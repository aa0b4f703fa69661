import type { FrameSource } from '../memory/frame-source.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import type { EntryFormat } from './entry-format.ts';
import { linkTable } from './entry-words.ts';
import { SELF_MAP_INDEX, WORDS_PER_ENTRY, ZERO_VA_INDEX } from './table-geometry.ts';

/**
 * Builds the tables that every new page table starts with: a root whose last entry leads back to it, and below the
 * entry before that one path of tables down to a page that is not present (patina-paging maps each new table there
 * to zero it once the tables are installed).
 * @returns the frame of the root
 * @throws PageTableError as FrameSource.take
 */
export function createTables(
  format: EntryFormat,
  tables: TableMemory,
  frames: FrameSource,
  rootLevel: number,
): number {
  const root = frames.take(true);
  linkAt(format, tables, root, SELF_MAP_INDEX, root);
  let table = root;
  let index = ZERO_VA_INDEX;
  for (let level = rootLevel; level > 1; level--) {
    const child = frames.take(false);
    linkAt(format, tables, table, index, child);
    table = child;
    index = 0;
  }
  const start = tables.locate(table);
  tables.words[start] = format.tableLow & ~format.present;
  return root;
}

function linkAt(format: EntryFormat, tables: TableMemory, table: number, index: number, child: number): void {
  const start = tables.locate(table);
  linkTable(format, tables.words, start + index * WORDS_PER_ENTRY, child);
}

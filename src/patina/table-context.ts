import type { FrameSource } from '../memory/frame-source.ts';
import type { WalkedTables } from '../memory/page-walk.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import type { UndoJournal } from '../memory/undo-journal.ts';
import type { EntryFormat } from './entry-format.ts';

/** The tables that the operations of one page table work on. */
export interface TableContext {
  readonly format: EntryFormat;
  readonly tables: TableMemory;
  readonly frames: FrameSource;
  readonly journal: UndoJournal;
  /** Whether changes are journalled. */
  readonly atomic: boolean;
  /** Frame number of the top-level table. */
  readonly rootFrame: number;
  /** Level of the top-level table. */
  readonly rootLevel: number;
}

/** The tables as single pages are found in them. */
export function walkedTables({ format, tables, rootFrame, rootLevel }: TableContext): WalkedTables {
  const { present, leafMask, leafValue, addressHigh } = format;
  return {
    tables,
    rootFrame,
    levels: rootLevel,
    frameOffset: 0,
    upperMask: present,
    upperValue: present,
    tableMask: present | leafMask,
    tableValue: present | (leafMask ^ leafValue),
    addressHigh,
  };
}

import type { FrameSource } from '../memory/frame-source.ts';
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

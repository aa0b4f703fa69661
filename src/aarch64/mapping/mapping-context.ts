import type { FrameSource } from '../../memory/frame-source.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { UndoJournal } from '../../memory/undo-journal.ts';
import type { TableGeometry } from './table-geometry.ts';
import type { TableRelease } from './table-release.ts';
import type { StaleTranslations } from './tlb-maintenance.ts';

/** What the operations on one table tree share. Pages are relative to the first page that the root translates. */
export interface MappingContext {
  readonly tables: TableMemory;
  readonly frames: FrameSource;
  readonly release: TableRelease;
  readonly journal: UndoJournal;
  readonly rootFrame: number;
  readonly rootLevel: number;
  readonly geometry: TableGeometry;
  /** Page number of relative page 0. */
  readonly firstPage: number;
  /** Whether a failed operation leaves everything as it was. */
  readonly atomic: boolean;
  /** Whether the engine sets and clears the contiguous bit. */
  readonly managesContiguous: boolean;
  /** Whether any entry may have a contiguous bit that the engine has set. */
  hinted: boolean;
  /** First frame that is no physical memory. */
  readonly frameEnd: number;
  /** Set while the tables are in use: what may be in the TLBs. */
  stale: StaleTranslations | undefined;
}

import { FRAME_SHIFT, FRAME_SIZE, WORDS_PER_FRAME } from './addresses.ts';
import { EntryKind } from './entry-kind.ts';
import { LeafList } from './leaf-list.ts';
import type { WalkMemory } from './walk-memory.ts';

/** How a scan reads entries. A table's `height` is 1 at the last level and grows towards the root. */
export interface EntryFormat {
  /** log2 of the entries in a full table. */
  readonly indexBits: number;
  /** log2 of the bytes that an entry of the last level maps. */
  readonly pageShift: number;
  kindOf(height: number, low: number, high: number): EntryKind;
  /** First 4 KiB frame of the table or page that a table or leaf entry leads to. */
  frameOf(height: number, low: number, high: number): number;
}

/** A root table and the addresses that it translates. */
export interface ScanRoot {
  readonly format: EntryFormat;
  readonly frame: number;
  /** Offset of the table in its frame: a root table of few entries may be smaller than a frame. */
  readonly byteOffset: number;
  readonly entries: number;
  readonly height: number;
  /** Virtual page number that entry `index` starts at. */
  pageOf(index: number): number;
}

/**
 * Every leaf that the roots reach, in the order of the roots. @throws RangeError if there are more than `limit`
 */
export function scanLeaves(memory: WalkMemory, roots: readonly ScanRoot[], limit: number): LeafList {
  return scanEntries(memory, roots, limit, { what: 'leaves', wants: (kind) => kind === EntryKind.Leaf });
}

/**
 * Every entry that the roots reach, that is not zero, and that ends a walk without an output address: not in
 * use, of a reserved form, or leading to a table where no memory is. `frame` is what stands in its address
 * field.
 * @throws RangeError if there are more than `limit`
 */
export function scanDeadEnds(memory: WalkMemory, roots: readonly ScanRoot[], limit: number): LeafList {
  return scanEntries(memory, roots, limit, {
    what: 'entries that lead nowhere',
    wants: (kind, low, high, tableFrame) => {
      if (kind === EntryKind.Leaf || (low | high) === 0) return false;
      return tableFrame === undefined || memory.rangeHolding(tableFrame) === undefined;
    },
  });
}

/** Which entries a scan lists. */
interface Wanted {
  /** For messages. */
  readonly what: string;
  /** @param tableFrame where a table entry leads */
  wants(kind: EntryKind, low: number, high: number, tableFrame: number | undefined): boolean;
}

/**
 * Entries are counted first, each table once per height, so that tables which lead to themselves cost no more
 * than others, branches without any are entered once, and the columns have their size from the start.
 * @throws RangeError if there are more than `limit`
 */
function scanEntries(
  memory: WalkMemory,
  roots: readonly ScanRoot[],
  limit: number,
  wanted: Wanted,
): LeafList {
  const scans = roots.map((root) => new EntryScan(memory, root, wanted));
  const total = scans.reduce((sum, scan) => sum + scan.count(), 0);
  if (total > limit) {
    throw new RangeError(
      `the tables hold ${total} ${wanted.what}, more than the limit of ${limit} (do they point to themselves?); give a higher limit if this is meant`,
    );
  }
  const leaves = new LeafList(total);
  let filled = 0;
  for (const scan of scans) filled = scan.fill(leaves, filled);
  return leaves;
}

const ENTRIES_PER_FRAME = FRAME_SIZE / 8;
/** Heights fit in this many values, so that (frame, height) makes one key. */
const HEIGHTS = 8;

class EntryScan {
  readonly #memory: WalkMemory;
  readonly #root: ScanRoot;
  readonly #format: EntryFormat;
  readonly #wanted: Wanted;
  readonly #counts = new Map<number, number>();

  constructor(memory: WalkMemory, root: ScanRoot, wanted: Wanted) {
    this.#memory = memory;
    this.#root = root;
    this.#format = root.format;
    this.#wanted = wanted;
  }

  /** All wanted entries below the root. */
  count(): number {
    const { frame, byteOffset, entries, height } = this.#root;
    return this.#countTable(frame, byteOffset, entries, height);
  }

  /** Appends all wanted entries below the root. @returns the number of entries in the list afterwards */
  fill(leaves: LeafList, filled: number): number {
    const root = this.#root;
    let next = filled;
    for (let index = 0; index < root.entries; index++) {
      const byte = root.byteOffset + index * 8;
      const frame = root.frame + (byte >>> FRAME_SHIFT);
      next = this.#fillEntries(
        frame,
        byte & (FRAME_SIZE - 1),
        1,
        root.height,
        root.pageOf(index),
        leaves,
        next,
      );
    }
    return next;
  }

  #countTable(frame: number, byteOffset: number, entries: number, height: number): number {
    let leaves = 0;
    for (let first = 0; first < entries; first += ENTRIES_PER_FRAME) {
      const piece = frame + first / ENTRIES_PER_FRAME;
      const range = this.#memory.rangeHolding(piece);
      if (range === undefined) continue;
      let at = (piece - range.firstFrame) * WORDS_PER_FRAME + byteOffset / 4;
      const end = at + 2 * Math.min(entries - first, ENTRIES_PER_FRAME);
      for (; at < end; at += 2) {
        const low = range.words[at] as number;
        const high = range.words[at + 1] as number;
        const kind = this.#format.kindOf(height, low, high);
        const table = kind === EntryKind.Table ? this.#format.frameOf(height, low, high) : undefined;
        if (this.#wanted.wants(kind, low, high, table)) leaves++;
        else if (table !== undefined) leaves += this.#countBelow(table, height);
      }
    }
    return leaves;
  }

  #countBelow(frame: number, height: number): number {
    const key = frame * HEIGHTS + height;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const leaves = this.#countTable(frame, 0, 2 ** this.#format.indexBits, height - 1);
    this.#counts.set(key, leaves);
    return leaves;
  }

  /** Appends what is wanted of `entries` entries in one frame; `page` is what the first of them maps. */
  #fillEntries(
    frame: number,
    byteOffset: number,
    entries: number,
    height: number,
    page: number,
    leaves: LeafList,
    filled: number,
  ): number {
    const range = this.#memory.rangeHolding(frame);
    if (range === undefined) return filled;
    const format = this.#format;
    const pages = 2 ** (format.pageShift - FRAME_SHIFT + (height - 1) * format.indexBits);
    const start = (frame - range.firstFrame) * WORDS_PER_FRAME + byteOffset / 4;
    let next = filled;
    for (let index = 0; index < entries; index++) {
      const at = start + 2 * index;
      const low = range.words[at] as number;
      const high = range.words[at + 1] as number;
      const kind = format.kindOf(height, low, high);
      const table = kind === EntryKind.Table ? format.frameOf(height, low, high) : undefined;
      if (this.#wanted.wants(kind, low, high, table)) {
        leaves.pageNumber[next] = page + index * pages;
        leaves.pageCount[next] = pages;
        leaves.frame[next] = format.frameOf(height, low, high);
        leaves.entryAddress[next] = frame * FRAME_SIZE + byteOffset + 8 * index;
        next++;
      } else if (table !== undefined && this.#countBelow(table, height) > 0) {
        next = this.#fillTable(table, height - 1, page + index * pages, leaves, next);
      }
    }
    return next;
  }

  #fillTable(frame: number, height: number, page: number, leaves: LeafList, filled: number): number {
    const { indexBits, pageShift } = this.#format;
    const pagesPerFrame = 2 ** (pageShift - FRAME_SHIFT + (height - 1) * indexBits) * ENTRIES_PER_FRAME;
    let next = filled;
    for (let piece = 0; piece < 2 ** indexBits / ENTRIES_PER_FRAME; piece++) {
      next = this.#fillEntries(
        frame + piece,
        0,
        ENTRIES_PER_FRAME,
        height,
        page + piece * pagesPerFrame,
        leaves,
        next,
      );
    }
    return next;
  }
}

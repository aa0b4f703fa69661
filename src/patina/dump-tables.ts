import { addressOfPage, wordsToBigInt } from '../addresses.ts';
import type { EntryFormat } from './entry-format.ts';
import { entryFrame } from './entry-words.ts';
import type { TableContext } from './table-context.ts';
import {
  entryIndex,
  firstEntryPage,
  HIGHEST_LEAF_LEVEL,
  nextEntryPage,
  pagesPerEntry,
  SELF_MAP_INDEX,
  WORDS_PER_ENTRY,
} from './table-geometry.ts';

const ADDRESS_DIGITS = 16;
const LEVEL_WIDTH = 8;

/**
 * The entries that translate the pages from `page` up to `end`, as text: a header with the bit positions, then one
 * line for each entry that is not zero, a table's entries below the entry that leads to it. The self-map is shown
 * as one entry.
 * @throws PageTableError TableOutsideMemory
 */
export function* dumpTables(context: TableContext, page: number, end: number): Generator<string> {
  const { format, rootFrame, rootLevel } = context;
  yield `root table at ${padded(addressOfPage(rootFrame))}, entries for ${span(page, end)}`;
  yield* header(format);
  yield* dumpTable(context, rootFrame, rootLevel, page, end);
}

function* dumpTable(
  context: TableContext,
  frame: number,
  level: number,
  firstPage: number,
  end: number,
): Generator<string> {
  const { format, tables, rootFrame, rootLevel } = context;
  const start = tables.locate(frame);
  const words = tables.words;
  for (let page = firstPage; page < end; ) {
    const index = entryIndex(page, level);
    const at = start + index * WORDS_PER_ENTRY;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    const boundary = nextEntryPage(page, level);
    if (low !== 0 || high !== 0) {
      const present = (low & format.present) !== 0;
      const leaf =
        level === 1 || (level <= HIGHEST_LEAF_LEVEL && (low & format.leafMask) === format.leafValue);
      const child = entryFrame(format, low, high);
      const address = addressOfPage(leaf ? firstEntryPage(child, level) : child);
      yield entryLine(format, level, index, page, address, wordsToBigInt(low, high));
      const isSelfMap = level === rootLevel && index === SELF_MAP_INDEX && child === rootFrame;
      if (present && !leaf && !isSelfMap) {
        yield* dumpTable(context, child, level - 1, page, Math.min(boundary, end));
      }
    }
    page = boundary;
  }
}

function header(format: EntryFormat): [string, string] {
  const left = [
    'level'.padEnd(LEVEL_WIDTH),
    'index',
    'virtual addresses'.padEnd(span(0, 1).length),
    'output address'.padEnd(ADDRESS_DIGITS + 2),
  ].join('  ');
  const names = format.fields.map((field) => field.name.padStart(fieldWidth(field)));
  const positions = format.fields.map((field) => bitRange(field.bits).padStart(fieldWidth(field)));
  return [`${' '.repeat(left.length)}  ${positions.join(' ')}`, `${left}  ${names.join(' ')}`];
}

function entryLine(
  format: EntryFormat,
  level: number,
  index: number,
  page: number,
  address: bigint,
  entry: bigint,
): string {
  const firstPage = firstEntryPage(page, level);
  const values = format.fields.map((field) => bitsOf(entry, field.bits).padStart(fieldWidth(field)));
  return [
    (format.levelNames[level - 1] as string).padEnd(LEVEL_WIDTH),
    index.toString().padStart(5),
    span(firstPage, firstPage + pagesPerEntry(level)),
    padded(address),
    values.join(' '),
  ].join('  ');
}

function span(page: number, end: number): string {
  return `${padded(addressOfPage(page))}–${padded(addressOfPage(end) - 1n)}`;
}

function padded(address: bigint): string {
  return `0x${address.toString(16).padStart(ADDRESS_DIGITS, '0')}`;
}

function bitRange([highest, lowest]: readonly [number, number]): string {
  return highest === lowest ? `${highest}` : `${highest}:${lowest}`;
}

function bitsOf(entry: bigint, [highest, lowest]: readonly [number, number]): string {
  const width = highest - lowest + 1;
  const value = (entry >> BigInt(lowest)) & ((1n << BigInt(width)) - 1n);
  return value.toString(2).padStart(width, '0');
}

function fieldWidth(field: { readonly name: string; readonly bits: readonly [number, number] }): number {
  const [highest, lowest] = field.bits;
  return Math.max(field.name.length, bitRange(field.bits).length, highest - lowest + 1);
}

import { addressOfPage, hex } from '../../addresses.ts';
import { DescriptorHigh } from '../descriptor-bits.ts';
import { LOW_MASK } from './attribute-words.ts';
import type { MappingContext } from './mapping-context.ts';
import { frameOf, isTable, isValidLeaf, LAST_LEVEL, type TableGeometry, WORDS } from './table-geometry.ts';

const INDENT = '  ';

/** Entries of one table that are printed as one line. */
interface Group {
  readonly first: number;
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The tables as text, one line for each table and for each run of entries with the same attributes and consecutive
 * outputs; entries that are zero are left out.
 * @param namesOf the names of the attributes in two words
 */
export function* printTables(
  context: MappingContext,
  title: string,
  namesOf: (low: number, high: number, level: number) => readonly string[],
): Generator<string> {
  const { firstPage, geometry, rootFrame, rootLevel } = context;
  yield `${title}: root table at ${hex(addressOfPage(rootFrame))}, level ${rootLevel}`;
  yield* printTable(rootFrame, rootLevel, firstPage, INDENT);

  function* printTable(frame: number, level: number, base: number, indent: string): Generator<string> {
    const pages = geometry.pagesPerEntry(level);
    for (const { first, count, low, high } of groupsOf(frame, level)) {
      const page = base + first * pages;
      const range = `${hex(addressOfPage(page))}–${hex(addressOfPage(page + count * pages) - 1n)}`;
      const index = count === 1 ? `${first}` : `${first}–${first + count - 1}`;
      const line = `${indent}${index}: ${range}`;
      if (isTable(low, level)) {
        yield `${line} table at ${hex(addressOfPage(frameOf(low, high)))}`;
        yield* printTable(frameOf(low, high), level + 1, page, indent + INDENT);
      } else {
        const names = namesOf(low, high, level).join(' | ');
        const leaf = level === LAST_LEVEL ? 'page' : 'block';
        const what = count === 1 ? leaf : `${count} ${leaf}s`;
        const output = hex(addressOfPage(geometry.leafFrameOf(low, high, level)));
        yield isValidLeaf(low, level) ? `${line} ${what} → ${output} ${names}` : `${line} invalid ${names}`;
      }
    }
  }

  function groupsOf(frame: number, level: number): Group[] {
    const start = context.tables.locate(frame);
    const { words } = context.tables;
    const entries = geometry.entriesAt(level);
    const groups: Group[] = [];
    for (let first = 0; first < entries; ) {
      const low = words[start + first * WORDS] as number;
      const high = words[start + first * WORDS + 1] as number;
      let count = 1;
      while (first + count < entries) {
        const at = start + (first + count) * WORDS;
        const [nextLow, nextHigh] = [words[at] as number, words[at + 1] as number];
        if (!continues(geometry, low, high, nextLow, nextHigh, level, count)) break;
        count++;
      }
      if ((low | high) !== 0) groups.push({ first, count, low, high });
      first += count;
    }
    return groups;
  }
}

/** Whether an entry goes on with what the one `count` entries before it began. */
function continues(
  geometry: TableGeometry,
  low: number,
  high: number,
  nextLow: number,
  nextHigh: number,
  level: number,
  count: number,
): boolean {
  if (isTable(low, level) || isTable(nextLow, level)) return false;
  const step = isValidLeaf(low, level) ? count * geometry.pagesPerEntry(level) : 0;
  return (
    ((low ^ nextLow) & LOW_MASK) === 0 &&
    ((high ^ nextHigh) & ~DescriptorHigh.Address) === 0 &&
    frameOf(nextLow, nextHigh) === frameOf(low, high) + step
  );
}

import { addressOfPage, FRAME_SIZE, hex } from '../../src/addresses.ts';
import { openTables } from '../inputs/query.ts';
import type { VerificationInput } from '../inputs/types.ts';
import type { LeafRun } from '../leaf-runs.ts';
import { understand } from '../understand.ts';

/**
 * Every entry that is not zero on the way to the runs (or to the pages, if any are given): bit by bit where the engine
 * can open the tables, elsewhere as the walker reads them.
 */
export function* entryLines(
  input: VerificationInput,
  runs: Iterable<LeafRun>,
  pages: readonly number[],
): Generator<string> {
  const table = openTables(input.memory, input.registers);
  if (table instanceof Error) {
    yield* walkedLines(input, pages);
    return;
  }
  for (const page of pages) yield* table.dumpLines(addressOfPage(page), FRAME_SIZE);
  if (pages.length > 0) return;
  for (const { firstPage, pageCount } of runs) {
    yield* table.dumpLines(addressOfPage(firstPage), BigInt(pageCount) * BigInt(FRAME_SIZE));
  }
}

/** A line for each entry of the walks to the pages, or to all leaves; of walks that begin alike the beginning once. */
function* walkedLines(input: VerificationInput, pages: readonly number[]): Generator<string> {
  const { walker, leaves } = understand(input);
  let before: readonly bigint[] = [];
  for (const page of pages.length > 0 ? pages : leaves().pageNumber) {
    const steps = walker.explain(addressOfPage(page));
    const entries = steps.map(({ entryAddress }) => entryAddress);
    const same = entries.findIndex((address, depth) => address !== before[depth]);
    for (const [depth, step] of steps.entries()) {
      if (same < 0 || depth < same) continue;
      const { levelName, tableAddress, index, entry, flags, next } = step;
      const content = entry === undefined ? 'no memory' : `0x${entry.toString(16).padStart(16, '0')}`;
      const target = next === undefined ? '' : ` → ${hex(next)}`;
      const where = `${'  '.repeat(depth)}${levelName}, table ${hex(tableAddress)}, index ${index}`;
      yield `${where}: ${content}${target}  ${flags.join(', ')}`.trimEnd();
    }
    before = entries;
  }
}

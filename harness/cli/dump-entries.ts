import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import { addressOfPage, FRAME_SIZE } from '../../src/addresses.ts';
import { PageTableError } from '../../src/errors.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';
import { InputError } from '../inputs/input-error.ts';
import type { VerificationInput } from '../inputs/types.ts';
import type { LeafRun } from '../leaf-runs.ts';

/**
 * Every entry that is not zero on the way to the runs (or to the pages, if any are given), bit by bit.
 * @throws InputError if the engine cannot open such tables
 */
export function* entryLines(
  input: VerificationInput,
  runs: Iterable<LeafRun>,
  pages: readonly number[],
): Generator<string> {
  const table = openTables(input);
  for (const page of pages) yield* table.dumpLines(addressOfPage(page), FRAME_SIZE);
  if (pages.length > 0) return;
  for (const { firstPage, pageCount } of runs) {
    yield* table.dumpLines(addressOfPage(firstPage), BigInt(pageCount) * BigInt(FRAME_SIZE));
  }
}

function openTables({ name, memory, registers }: VerificationInput): X64PageTable | AArch64PageTable {
  const options = { memory, allocator: new SequentialAllocator(0, 0) };
  try {
    return registers.architecture === 'x64'
      ? X64PageTable.openActive(registers, options)
      : AArch64PageTable.openActive(registers, options);
  } catch (error) {
    if (!(error instanceof PageTableError || error instanceof RangeError)) throw error;
    throw new InputError(name, `the engine cannot open these tables: ${error.message}`, { cause: error });
  }
}

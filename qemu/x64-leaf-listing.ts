import { CacheBit, type ListedLeaves } from '../harness/listed-leaves.ts';
import { MachineError } from '../harness/machine.ts';

/** `0000000000200000: 0000000000200000 --PDA---W`: X G P D A C T U W, in this order. */
const LINE = /^([0-9a-f]{16}): ([0-9a-f]{16}) ([-XGPDACTUW]{9})$/;
const Column = { Global: 1, CacheDisable: 5, WriteThrough: 6 } as const;

/** A run of pages. */
export interface HiddenRun {
  readonly firstPage: number;
  readonly pageCount: number;
}

/**
 * The answer of QEMU's `info tlb`, one line per leaf.
 * @param hidden the pages of the stub's own slot: what is listed there says nothing of the tables under test
 * @throws MachineError 'failed' on a line of another form
 */
export function parseLeafListing(machine: string, listing: string, hidden: HiddenRun): ListedLeaves {
  const lines = listing.split(/\r?\n/).filter((line) => line !== '');
  const pageNumber = new Float64Array(lines.length);
  const frame = new Float64Array(lines.length);
  const bits = new Uint8Array(lines.length);
  let length = 0;
  for (const line of lines) {
    const match = LINE.exec(line);
    if (match === null) {
      throw new MachineError(machine, 'failed', `"info tlb" printed ${JSON.stringify(line.slice(0, 100))}`);
    }
    const [, virtual, physical, flags] = match as unknown as [string, string, string, string];
    // The last three digits are the offset in a page.
    const page = Number.parseInt(virtual.slice(0, 13), 16);
    if (page >= hidden.firstPage && page < hidden.firstPage + hidden.pageCount) continue;
    pageNumber[length] = page;
    frame[length] = Number.parseInt(physical.slice(0, 13), 16);
    bits[length++] =
      (flags[Column.CacheDisable] === 'C' ? CacheBit.Disable : 0) |
      (flags[Column.WriteThrough] === 'T' ? CacheBit.WriteThrough : 0) |
      (flags[Column.Global] === 'G' ? CacheBit.Global : 0);
  }
  return { length, pageNumber, frame, bits };
}

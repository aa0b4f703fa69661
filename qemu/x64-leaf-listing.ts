import { CacheBit, type ListedLeaves } from '../harness/listed-leaves.ts';
import { MachineError } from '../harness/machine.ts';

/**
 * A line of "info tlb": `0000000000200000: 0000000000600000 --PDA---W`. Its flags are X G P D A C T U W, in this order,
 * each a letter or "-". Every line has the same width, and half a million of them are read at once.
 */
const LINE = /^([0-9a-f]{16}): ([0-9a-f]{16}) ([-XGPDACTUW]{9})$/;
const LINE_WIDTH = 44;
/** Digits of an address without the offset in a page. */
const PAGE_DIGITS = 13;
/** Positions in a line. */
const Position = { Physical: 18, Global: 36, CacheDisable: 40, WriteThrough: 41 } as const;

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
  const most = Math.ceil(listing.length / LINE_WIDTH);
  const pageNumber = new Float64Array(most);
  const frame = new Float64Array(most);
  const bits = new Uint8Array(most);
  let length = 0;
  for (let start = 0; start < listing.length; ) {
    const newline = listing.indexOf('\n', start);
    const end = newline < 0 ? listing.length : newline;
    const line = listing.slice(start, listing[end - 1] === '\r' ? end - 1 : end);
    start = end + 1;
    if (!LINE.test(line)) {
      throw new MachineError(machine, 'failed', `"info tlb" printed ${JSON.stringify(line.slice(0, 100))}`);
    }
    const page = Number.parseInt(line.slice(0, PAGE_DIGITS), 16);
    if (page >= hidden.firstPage && page < hidden.firstPage + hidden.pageCount) continue;
    pageNumber[length] = page;
    frame[length] = Number.parseInt(line.slice(Position.Physical, Position.Physical + PAGE_DIGITS), 16);
    bits[length++] =
      (line[Position.CacheDisable] === 'C' ? CacheBit.Disable : 0) |
      (line[Position.WriteThrough] === 'T' ? CacheBit.WriteThrough : 0) |
      (line[Position.Global] === 'G' ? CacheBit.Global : 0);
  }
  return {
    length,
    pageNumber: pageNumber.subarray(0, length),
    frame: frame.subarray(0, length),
    bits: bits.subarray(0, length),
  };
}

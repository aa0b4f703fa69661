import { CacheBit, type ListedLeaves } from '../harness/listed-leaves.ts';
import { MachineError } from '../harness/machine.ts';

/**
 * A line of "info tlb": `0000000000200000: 0000000000600000 --PDA---W`. Its flags are X G P D A C T U W, in this order,
 * each a letter or "-". Every line has the same width, and half a million of them are read at once: by character
 * codes, because a string for each line and each number takes four times as long.
 */
const FLAGS = 'XGPDACTUW';
/** Positions in a line. */
const Position = { Separator: 16, Physical: 18, Gap: 34, Flags: 35, End: 44 } as const;
/** Digits of an address without the offset in a page, in two parts that fit in 32 bits. */
const HIGH_DIGITS = 6;
const LOW_DIGITS = 7;
const LOW_VALUES = 16 ** LOW_DIGITS;
const OFFSET_DIGITS = 3;

/** What a flag that is there says. */
const BITS = [...FLAGS].map((flag) =>
  flag === 'C' ? CacheBit.Disable : flag === 'T' ? CacheBit.WriteThrough : flag === 'G' ? CacheBit.Global : 0,
);
const FLAG_CODES = [...FLAGS].map((flag) => flag.charCodeAt(0));

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const DASH = 0x2d;
const COLON = 0x3a;

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
  const most = Math.ceil(listing.length / Position.End);
  const pageNumber = new Float64Array(most);
  const frame = new Float64Array(most);
  const bits = new Uint8Array(most);
  let length = 0;
  for (let start = 0; start < listing.length; ) {
    const end = endOfLine(listing, start + Position.End);
    const page = pageAt(listing, start);
    const physical = pageAt(listing, start + Position.Physical);
    const flags = flagsAt(listing, start + Position.Flags);
    const isWhole =
      listing.charCodeAt(start + Position.Separator) === COLON &&
      listing.charCodeAt(start + Position.Separator + 1) === SPACE &&
      listing.charCodeAt(start + Position.Gap) === SPACE;
    if (end < 0 || page < 0 || physical < 0 || flags < 0 || !isWhole) {
      const line = listing.slice(start, start + 100).split(/\r?\n/)[0];
      throw new MachineError(machine, 'failed', `"info tlb" printed ${JSON.stringify(line)}`);
    }
    start = end;
    if (page >= hidden.firstPage && page < hidden.firstPage + hidden.pageCount) continue;
    pageNumber[length] = page;
    frame[length] = physical;
    bits[length++] = flags;
  }
  return {
    length,
    pageNumber: pageNumber.subarray(0, length),
    frame: frame.subarray(0, length),
    bits: bits.subarray(0, length),
  };
}

/** Where the line after the one whose text ends at `at` begins; −1 if the text does not end there. */
function endOfLine(text: string, at: number): number {
  const newline = text.charCodeAt(at) === RETURN ? at + 1 : at;
  if (newline === text.length) return newline;
  return text.charCodeAt(newline) === NEWLINE ? newline + 1 : -1;
}

/** The page number of the address of 16 digits at `start`, −1 if there is none. */
function pageAt(text: string, start: number): number {
  const high = hexAt(text, start, HIGH_DIGITS);
  const low = hexAt(text, start + HIGH_DIGITS, LOW_DIGITS);
  const offset = hexAt(text, start + HIGH_DIGITS + LOW_DIGITS, OFFSET_DIGITS);
  return high < 0 || low < 0 || offset < 0 ? -1 : high * LOW_VALUES + low;
}

/** The value of `digits` lower-case hexadecimal digits, −1 if they are none. At most 7. */
function hexAt(text: string, start: number, digits: number): number {
  let value = 0;
  for (let at = start; at < start + digits; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) value = value * 16 + (code - 0x30);
    else if (code >= 0x61 && code <= 0x66) value = value * 16 + (code - 0x57);
    else return -1;
  }
  return value;
}

/** Bits of {@link CacheBit} for the flags at `start`, −1 if these are none. */
function flagsAt(text: string, start: number): number {
  let bits = 0;
  for (let place = 0; place < FLAG_CODES.length; place++) {
    const code = text.charCodeAt(start + place);
    if (code === FLAG_CODES[place]) bits |= BITS[place] as number;
    else if (code !== DASH) return -1;
  }
  return bits;
}

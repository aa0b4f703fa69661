import type { Call, Deviation, TablePage } from './deviation.ts';

const CRATE = 'aarch64-paging';
const SPACE = 1n << 64n;
const PAGE = 4096n;
const MAX_OUTPUT = 1n << 48n;
const LAST_LEVEL = 3;
const ENTRIES = 512;

const VALID = 1n;
const TABLE_OR_PAGE = 2n;
const NT = 1n << 16n;
const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;

/** Where the engine contradicts aarch64-paging. */
export const AARCH64_PAGING_DEVIATIONS: readonly Deviation[] = [
  {
    rule: 'aarch64-paging-last-root-entry',
    crate: CRATE,
    reason:
      'The last entry of an upper-range root table translates like any other. aarch64-paging computes the end of what ' +
      'it covers as 2^64, which wraps to 0: it maps nothing there or a whole block, and walks and changes nothing. The ' +
      'engine maps, changes and walks what was asked for.',
    explains: touchesLastRootEntry,
    changesTables: touchesLastRootEntry,
  },
  {
    rule: 'aarch64-paging-nt-is-no-address',
    crate: CRATE,
    reason:
      'Bit 16 is nT in a block descriptor and output address in a page descriptor (Arm ARM D8.3.1). aarch64-paging ' +
      'sets it in page descriptors, which moves the page by 64 KiB, takes it for address when it splits a block, and ' +
      'cannot clear it. The engine gives it to blocks only.',
    explains: () => false,
    changesTables: ({ op: [name, , , third, fourth] }) =>
      (name === 'map' && (big(fourth) & NT) !== 0n) ||
      (name === 'modify' && ((big(third) | big(fourth)) & NT) !== 0n),
  },
  {
    rule: 'aarch64-paging-reserved-descriptor',
    crate: CRATE,
    reason:
      'A level 3 descriptor 0b01 and, without FEAT_LPA2, a level 0 block are reserved and fault (Arm ARM D8.3.1). ' +
      'modify_range of aarch64-paging writes both when VALID is set in a descriptor without TABLE_OR_PAGE. The engine ' +
      'refuses with PteUpdateFault.',
    explains: ({ actual, ...call }) =>
      'err' in actual && actual.err === 'PteUpdateFault' && makesReservedDescriptor(call),
    changesTables: makesReservedDescriptor,
  },
  {
    rule: 'aarch64-paging-output-address-size',
    crate: CRATE,
    reason:
      'Without FEAT_LPA an output address has 48 bits. aarch64-paging cuts what is beyond, so that the range maps to ' +
      'memory that nobody asked for. The engine refuses with PhysAddrNotValid.',
    explains: (call) =>
      'err' in call.actual && call.actual.err === 'PhysAddrNotValid' && mapsBeyondOutputSize(call),
    changesTables: mapsBeyondOutputSize,
  },
];

function big(value: string | number | undefined): bigint {
  return BigInt(value ?? 0);
}

/** First page address and end of a call's range, rounded as MemoryRegion::new does. */
function regionOf({ op: [, from, to] }: Call): { start: bigint; end: bigint } {
  const start = big(from) & ~(PAGE - 1n);
  return { start, end: BigInt.asUintN(64, big(to) + PAGE - 1n) & ~(PAGE - 1n) };
}

/** Bytes that an entry of a level covers. */
function granule(level: number): bigint {
  return PAGE << BigInt(9 * (LAST_LEVEL - level));
}

function rootLevel({ begin }: Call): number {
  return Number(begin.root);
}

/** Whether a call's range is one that the tables translate. */
function isTranslated(call: Call): boolean {
  const { start, end } = regionOf(call);
  const size = granule(rootLevel(call)) * BigInt(ENTRIES);
  if (end < start) return false;
  return call.begin.va === 'upper' ? start >= SPACE - size : end <= size;
}

function touchesLastRootEntry(call: Call): boolean {
  const [name] = call.op;
  const level = rootLevel(call);
  if (!['map', 'modify', 'walk'].includes(String(name)) || call.begin.va !== 'upper') return false;
  const { start, end } = regionOf(call);
  return level < LAST_LEVEL && isTranslated(call) && start < end && end > SPACE - granule(level);
}

function mapsBeyondOutputSize(call: Call): boolean {
  const [name, , , address, flags] = call.op;
  if (name !== 'map' || (big(flags) & VALID) === 0n || (big(flags) & TABLE_OR_PAGE) !== 0n) return false;
  const { start, end } = regionOf(call);
  const { kind, offset } = call.begin;
  const output =
    kind === 'id' ? start : kind === 'linear' ? BigInt.asIntN(64, start) + BigInt(offset ?? 0) : big(address);
  return isTranslated(call) && start < end && (output & ~(PAGE - 1n)) + end - start > MAX_OUTPUT;
}

/** Whether a call makes a descriptor valid that is reserved at its level. */
function makesReservedDescriptor(call: Call): boolean {
  const [name, , , set, clear, onlyValid] = call.op;
  if (name !== 'modify' || (big(set) & ~big(clear) & VALID) === 0n || !isTranslated(call)) return false;
  const { start, end } = regionOf(call);
  const pages = new Map(call.tables().map((page) => [BigInt(page.address), page]));
  const isReserved = (entry: bigint, level: number): boolean => {
    if (onlyValid === 1 && (entry & VALID) === 0n) return false;
    return level === LAST_LEVEL ? ((entry | big(set)) & ~big(clear) & TABLE_OR_PAGE) === 0n : level === 0;
  };
  /** Within what a table covers from `base` on; `entryAt` gives its entries. */
  const search = (entryAt: (index: number) => bigint, level: number, base: bigint): boolean => {
    const bytes = granule(level);
    for (let index = 0; index < ENTRIES; index++) {
      const first = base + BigInt(index) * bytes;
      const next = first + bytes;
      if (next <= start || first >= end) continue;
      const entry = entryAt(index);
      const table = level < LAST_LEVEL && (entry & (VALID | TABLE_OR_PAGE)) === (VALID | TABLE_OR_PAGE);
      if (table) {
        const child = pages.get(entry & OUTPUT_ADDRESS);
        if (search((at) => entryOf(child, at), level + 1, first)) return true;
      } else if (first >= start && next <= end) {
        if (isReserved(entry, level)) return true;
      } else {
        const part = partOf(entry, level + 1);
        if (search(() => part, level + 1, first)) return true;
      }
    }
    return false;
  };
  const top = rootLevel(call);
  const base = call.begin.va === 'upper' ? SPACE - granule(top) * BigInt(ENTRIES) : 0n;
  const root = pages.get(BigInt(call.root ?? 0));
  return search((at) => entryOf(root, at), top, base);
}

function entryOf(page: TablePage | undefined, index: number): bigint {
  return page?.entries[index] ?? 0n;
}

/** What an entry that leads to no table becomes in the table that replaces it: attributes only. */
function partOf(entry: bigint, level: number): bigint {
  if ((entry & TABLE_OR_PAGE) !== 0n) return 0n;
  const attributes = entry & ~OUTPUT_ADDRESS;
  return (entry & VALID) !== 0n && level === LAST_LEVEL ? attributes | TABLE_OR_PAGE : attributes;
}

import { isDeepStrictEqual } from 'node:util';
import type { Call, Deviation, TablePage } from './deviation.ts';
import type { Result } from './script.ts';

/** End of the addresses that TTBR0 translates. */
const VA_END = 1n << 48n;
const READ_ONLY = 0x2_0000n;

const VALID = 1n;
const TABLE_OR_PAGE = 1n << 1n;
/** AP[2:1] = 0b11: read-only at every exception level. */
const READ_ONLY_FOR_ALL = 3n << 6n;
const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;
/** Address bits that an entry of a table covers, the root first. */
const COVERED_BITS = [39n, 30n, 21n, 12n];

/** Where the engine contradicts patina-paging. */
export const PATINA_DEVIATIONS: readonly Deviation[] = [
  {
    rule: 'aarch64-query-beyond-ttbr0',
    crate: 'patina-paging',
    reason:
      'TTBR0 translates an address only if VA[63:48] is zero (Arm ARM D8.2); patina-paging ignores these bits and ' +
      'answers for the page that shares VA[47:0]. The engine says that nothing is mapped there.',
    explains({ begin, op: [name, address, size], actual }) {
      return (
        begin.arch === 'aarch64' &&
        name === 'query' &&
        BigInt(address as string) + BigInt(size as string) > VA_END &&
        'err' in actual &&
        (actual.err === 'NoMapping' || actual.err === 'InconsistentMappingAcrossRange')
      );
    },
  },
  {
    rule: 'aarch64-ap-0b11-is-read-only',
    crate: 'patina-paging',
    reason:
      'AP[2] = 1 forbids writes whatever AP[1] is, and at EL2 AP[1] is RES1 (Arm ARM D8.4.1); patina-paging takes ' +
      'AP = 0b11 for writable, and makes such a block writable when it splits it.',
    explains({ begin, op: [name], tables, expected, actual }) {
      return (
        begin.arch === 'aarch64' &&
        (name === 'query' || name === 'regions') &&
        tables().some(({ entries }) => entries.some(isReadOnlyForAll)) &&
        differsInReadOnly(expected, actual)
      );
    },
    changesTables(call) {
      const [name] = call.op;
      return call.begin.arch === 'aarch64' && (name === 'map' || name === 'unmap') && cutsReadOnlyBlock(call);
    },
  },
];

function isReadOnlyForAll(entry: bigint): boolean {
  return (entry & VALID) !== 0n && (entry & READ_ONLY_FOR_ALL) === READ_ONLY_FOR_ALL;
}

/** Whether two results are the same but for ReadOnly in attribute words, or a query no longer finds them uniform. */
function differsInReadOnly(expected: Result, actual: Result): boolean {
  if ('ok' in expected && 'ok' in actual) {
    return isDeepStrictEqual(withReadOnly(expected.ok), withReadOnly(actual.ok));
  }
  return [expected, actual].every(
    (result) => 'ok' in result || ('err' in result && result.err === 'NonUniformMemoryAttributes'),
  );
}

type RegionRow = readonly [va: string, pa: string, size: string, attributes: string, count: number];

/** An attribute word, or the rows of regions, with ReadOnly set everywhere. */
function withReadOnly(value: unknown): unknown {
  if (typeof value === 'string') return BigInt(value) | READ_ONLY;
  return (value as RegionRow[]).flatMap(([va, pa, size, attributes, count]) =>
    Array.from({ length: count }, (_, k) => [
      BigInt(va) + BigInt(k) * BigInt(size),
      BigInt(pa) + BigInt(k) * BigInt(size),
      size,
      BigInt(attributes) | READ_ONLY,
    ]),
  );
}

/** Whether a call covers a part of a block with AP = 0b11. */
function cutsReadOnlyBlock({ op: [, address, size], root, tables }: Call): boolean {
  if (root === null) return false;
  const start = BigInt(address as string);
  const end = start + BigInt(size as string);
  const pages = new Map(tables().map((page) => [BigInt(page.address), page]));
  const cuts = (table: TablePage | undefined, depth: number, base: bigint): boolean => {
    const bits = COVERED_BITS[depth];
    if (table === undefined || bits === undefined) return false;
    return table.entries.some((entry, index) => {
      const first = base + (BigInt(index) << bits);
      const last = first + (1n << bits);
      if ((entry & VALID) === 0n || first >= end || last <= start) return false;
      if (depth > 0 && (entry & TABLE_OR_PAGE) === 0n) {
        return isReadOnlyForAll(entry) && (first < start || last > end);
      }
      return cuts(pages.get(entry & OUTPUT_ADDRESS), depth + 1, first);
    });
  };
  return cuts(pages.get(BigInt(root)), 0, 0n);
}

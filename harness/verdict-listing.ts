import { addressOfPage, FRAME_SIZE, hex } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import { CacheBit, type ListedLeaves } from './listed-leaves.ts';
import type { TableFinding } from './verdict-tables.ts';

/** How the leaves of the tables compare with those that a machine lists. */
export interface ListingComparison {
  /** Leaves of the tables that the machine lists. */
  readonly compared: number;
  /** Leaves of the tables that it does not list. */
  readonly notListed: number;
  readonly findings: readonly TableFinding[];
}

const NAMES: readonly (readonly [number, string])[] = [
  [CacheBit.WriteThrough, 'PWT'],
  [CacheBit.Disable, 'PCD'],
  [CacheBit.Global, 'G'],
];

/** Holds what a machine lists (address, frame, PWT, PCD, G of each leaf) against the x64 tables. */
export function compareListing(
  leaves: LeafList,
  memory: PhysicalMemory,
  listed: ListedLeaves,
): ListingComparison {
  const placeOf = placesIn(listed);
  const findings: TableFinding[] = [];
  let compared = 0;
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const page = leaves.pageNumber[leaf] as number;
    const at = placeOf(page);
    if (at === undefined) continue;
    compared++;
    const expected = bitsOfEntry(memory, leaves.entryAddress[leaf] as number);
    const differing = expected ^ (listed.bits[at] as number);
    const address = addressOfPage(page);
    if (listed.frame[at] !== leaves.frame[leaf]) {
      const [there, here] = [listed.frame[at] as number, leaves.frame[leaf] as number];
      const what = `the machine lists the leaf at ${hex(there * FRAME_SIZE)}, the walker at ${hex(here * FRAME_SIZE)}`;
      findings.push({ address, what });
    } else if (differing !== 0) {
      const names = NAMES.filter(([bit]) => (differing & bit) !== 0).map(([, name]) => name);
      findings.push({ address, what: `the machine lists the leaf with another ${names.join(' and ')}` });
    }
  }
  return { compared, notListed: leaves.length - compared, findings };
}

/** Finds pages in a list; quickly where they are asked for in the order in which they are listed. */
function placesIn({ length, pageNumber }: ListedLeaves): (page: number) => number | undefined {
  let places: Map<number, number> | undefined;
  let next = 0;
  return (page) => {
    if (pageNumber[next] === page && next < length) return next++;
    places ??= new Map(Array.from({ length }, (_, at) => [pageNumber[at] as number, at]));
    const at = places.get(page);
    if (at !== undefined) next = at + 1;
    return at;
  };
}

function bitsOfEntry(memory: PhysicalMemory, address: number): number {
  const entry = memory.frameWords(Math.floor(address / FRAME_SIZE))?.[(address % FRAME_SIZE) / 4] ?? 0;
  return (
    ((entry & EntryLow.WriteThrough) === 0 ? 0 : CacheBit.WriteThrough) |
    ((entry & EntryLow.CacheDisable) === 0 ? 0 : CacheBit.Disable) |
    ((entry & EntryLow.Global) === 0 ? 0 : CacheBit.Global)
  );
}

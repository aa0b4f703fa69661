import { El1Attributes } from '../../src/aarch64/mapping/attributes.ts';
import { Constraints } from '../../src/aarch64/mapping/constraints.ts';
import { IdMap } from '../../src/aarch64/mapping/id-map.ts';
import { Mapping } from '../../src/aarch64/mapping/mapping.ts';
import { MemoryRegion } from '../../src/aarch64/mapping/memory-region.ts';
import { El1And0 } from '../../src/aarch64/mapping/regime.ts';
import { TargetAllocator } from '../../src/aarch64/mapping/target-allocator.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { checkEqual, type Workload } from '../workload.ts';

/** Where the workloads map. */
const S = 0x40_0000_0000;
const PAGE = 4096;
const PAGES = 2 ** 20;
const CALLS = 1_000_000;
const ALL = new MemoryRegion(S, S + PAGES * PAGE);

const { Valid, Accessed, AttributeIndex1, InnerShareable, Uxn, ReadOnly, SoftwareFlag0 } = El1Attributes;
const NORMAL = El1Attributes.union(Valid, Accessed, AttributeIndex1, InnerShareable, Uxn);
const MARKED = El1Attributes.union(ReadOnly, SoftwareFlag0);
const PAGES_ONLY = Constraints.NoBlockMappings | Constraints.NoContiguousHint;

const TABLES_BASE = 0x1_0000_0000;
const TABLE_FRAMES = 4096;
/** The memory of all tables; its pages have been touched before anything is timed. */
const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * PAGE);
for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);

type El1Map = IdMap<typeof El1And0>;

/** Nanoseconds per unit from SPEED-native.md. */
const NATIVE: Readonly<Record<string, number>> = {
  'idmap/map': 1.22,
  'idmap/modify': 5.29,
  'idmap/walk': 1.33,
  'idmap/modify-live': 6.78,
  'idmap/map1': 16.56,
  'target/map': 1.86,
};

/** The workloads of SPEED-native.md on aarch64-paging's tables; with hints, and without atomicity, beside them. */
export const AARCH64_PAGING_WORKLOADS: readonly Workload[] = [
  ...workloadsOf('', true),
  ...workloadsOf('-not-atomic', false),
];

function workloadsOf(suffix: string, atomic: boolean): Workload[] {
  const fresh = (): El1Map =>
    new IdMap({
      regime: El1And0,
      rootLevel: 0,
      asid: 1,
      memory,
      allocator: new SequentialAllocator(TABLES_BASE, TABLE_FRAMES * PAGE),
      atomic,
    });
  const mapped = (): El1Map => {
    const map = fresh();
    map.mapRange(ALL, NORMAL, PAGES_ONLY);
    return map;
  };
  const workload = (id: string, units: number, prepare: Workload['prepare']): Workload => ({
    id: `aarch64-paging/${id}${suffix}`,
    units,
    nativeNs: NATIVE[id],
    prepare,
  });
  const mapAll = (id: string, constraints: number, hinted: number): Workload =>
    workload(id, PAGES, () => {
      const map = fresh();
      return {
        run: () => void map.mapRange(ALL, NORMAL, constraints),
        check: () => checkPages(map, NORMAL | hinted, PAGES),
      };
    });

  return [
    mapAll('idmap/map', PAGES_ONLY, 0),
    mapAll('idmap/map-hinted', Constraints.NoBlockMappings, El1Attributes.ContiguousOrProtected),
    workload('idmap/modify', PAGES, () => {
      const map = mapped();
      return {
        run: () =>
          void map.modifyRange(ALL, (descriptor) => descriptor.modifyFlags(MARKED, El1Attributes.Empty)),
        check: () => checkPages(map, NORMAL | MARKED, PAGES),
      };
    }),
    workload('idmap/walk', PAGES, () => {
      const map = mapped();
      let count = 0;
      let fold = 0;
      return {
        run() {
          map.walkRange(ALL, (descriptor) => {
            count++;
            fold ^= descriptor.startPage ^ descriptor.outputFrame ^ descriptor.flags ^ descriptor.level;
          });
        },
        check() {
          checkEqual('descriptors', count, PAGES);
          checkEqual('fold', fold, 0);
        },
      };
    }),
    workload('idmap/modify-live', PAGES, () => {
      const map = mapped();
      map.markActive();
      let operations = 0;
      return {
        run() {
          operations = map.modifyRange(ALL, (descriptor) =>
            descriptor.modifyFlags(ReadOnly, El1Attributes.Empty),
          ).length;
        },
        check() {
          checkEqual('maintenance operations', operations, 4);
          checkPages(map, NORMAL | ReadOnly, PAGES);
        },
      };
    }),
    workload('idmap/map1', CALLS, () => {
      const map = fresh();
      return {
        run() {
          for (let call = 0; call < CALLS; call++) {
            const page = S + permuted(call) * PAGE;
            map.mapRange(new MemoryRegion(page, page + PAGE), NORMAL);
          }
        },
        check: () => checkPages(map, NORMAL, CALLS),
      };
    }),
    workload('target/map', PAGES, () => {
      const allocator = new TargetAllocator(TABLES_BASE);
      const map = new Mapping({
        regime: El1And0,
        rootLevel: 0,
        asid: 1,
        memory: allocator.memory,
        allocator,
        atomic,
      });
      return {
        run: () => void map.mapRange(ALL, S, NORMAL, PAGES_ONLY),
        check: () => checkPages(map, NORMAL, PAGES),
      };
    }),
  ];
}

/** A bijection on 2^20 pages that jumps from table to table. */
function permuted(call: number): number {
  return (call * 40_503) & 0xf_ffff;
}

/** Checks that so many pages, and nothing else, are mapped to themselves with the attributes. */
function checkPages(map: Pick<El1Map, 'walkRange'>, flags: number, pages: number): void {
  let found = 0;
  map.walkRange(ALL, (descriptor) => {
    if (!descriptor.isValid) return;
    found++;
    checkEqual('level', descriptor.level, 3);
    checkEqual('frame', descriptor.outputFrame, descriptor.startPage);
    checkEqual('flags', descriptor.flags, flags | El1Attributes.TableOrPage);
  });
  checkEqual('pages', found, pages);
}

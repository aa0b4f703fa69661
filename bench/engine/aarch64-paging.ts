import { El1Attributes } from '../../src/aarch64/mapping/attributes.ts';
import { type ConstraintBits, Constraints } from '../../src/aarch64/mapping/constraints.ts';
import { IdMap } from '../../src/aarch64/mapping/id-map.ts';
import { Mapping } from '../../src/aarch64/mapping/mapping.ts';
import { MemoryRegion } from '../../src/aarch64/mapping/memory-region.ts';
import { El1And0 } from '../../src/aarch64/mapping/regime.ts';
import { TargetAllocator } from '../../src/aarch64/mapping/target-allocator.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { checkEqual, type PreparedRun, type Workload } from '../workload.ts';
import { type AddressForm, BIGINTS, NUMBERS, once, PAGE, PERMUTED, S, strided } from './addresses.ts';
import { type EntryBits, PlainTables } from './plain-tables.ts';

const FIRST_PAGE = S / PAGE;
const PAGES = 2 ** 20;
const CALLS = 1_000_000;

const { Empty, Valid, Accessed, AttributeIndex1, InnerShareable, Uxn, ReadOnly, SoftwareFlag0 } =
  El1Attributes;
const NORMAL = El1Attributes.union(Valid, Accessed, AttributeIndex1, InnerShareable, Uxn);
const MARKED = El1Attributes.union(ReadOnly, SoftwareFlag0);
const PAGES_ONLY = Constraints.NoBlockMappings | Constraints.NoContiguousHint;

const TABLES_BASE = 0x1_0000_0000;
const TABLE_FRAMES = 4096;
/** The memory of all tables; its pages have been touched before anything is timed. */
const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * PAGE);
for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);

const TABLE_OR_PAGE = El1Attributes.toBits(El1Attributes.TableOrPage);
const BITS = entryBits(El1Attributes.toBits(NORMAL));
const HINTED_BITS = entryBits(BITS.page | El1Attributes.toBits(El1Attributes.ContiguousOrProtected));

/** Nanoseconds per unit from SPEED-native.md. */
const NATIVE: Readonly<Record<string, number>> = {
  'idmap/map': 1.22,
  'idmap/modify': 5.29,
  'idmap/walk': 1.33,
  'idmap/modify-live': 6.78,
  'idmap/map1': 16.56,
  'target/map': 1.86,
};

const expectMapped = expect(BITS);
const expectHinted = expect(HINTED_BITS);
const expectMarked = expect(entryBits(BITS.page | El1Attributes.toBits(MARKED)));
const expectReadOnly = expect(entryBits(BITS.page | El1Attributes.toBits(ReadOnly)));
const expectPermuted = once(() => {
  const plain = new PlainTables(TABLES_BASE, TABLE_FRAMES, 4);
  for (let call = 0; call < CALLS; call++) {
    const page = FIRST_PAGE + strided(call, PERMUTED);
    plain.map(page, page + 1, BITS);
  }
  return plain;
});

/** The workloads of SPEED-native.md on aarch64-paging's tables; with hints, and without atomicity, beside them. */
export const AARCH64_PAGING_WORKLOADS: readonly Workload[] = [
  ...workloadsOf('', true),
  ...workloadsOf('-not-atomic', false),
];

function workloadsOf(suffix: string, atomic: boolean): Workload[] {
  const fresh = () => {
    const allocator = new SequentialAllocator(TABLES_BASE, TABLE_FRAMES * PAGE);
    const map = new IdMap({ regime: El1And0, rootLevel: 0, asid: 1, memory, allocator, atomic });
    return { map, check: (plain: PlainTables) => plain.check(memory, TABLES_BASE, allocator.allocatedPages) };
  };
  const mapped = () => {
    const tables = fresh();
    tables.map.mapRange(allOf(NUMBERS), NORMAL, PAGES_ONLY);
    return tables;
  };
  const workload = (id: string, units: number, prepare: (form: AddressForm) => PreparedRun): Workload => ({
    id: `aarch64-paging/${id}${suffix}`,
    units,
    nativeNs: NATIVE[id],
    prepare: () => prepare(NUMBERS),
    prepareBigint: () => prepare(BIGINTS),
  });
  const mapAll = (id: string, constraints: ConstraintBits, expected: () => PlainTables): Workload =>
    workload(id, PAGES, (form) => {
      const { map, check } = fresh();
      return {
        run: () => void map.mapRange(allOf(form), NORMAL, constraints),
        check: () => check(expected()),
      };
    });

  return [
    mapAll('idmap/map', PAGES_ONLY, expectMapped),
    mapAll('idmap/map-hinted', Constraints.NoBlockMappings, expectHinted),
    workload('idmap/modify', PAGES, (form) => {
      const { map, check } = mapped();
      return {
        run: () => void map.modifyRange(allOf(form), (descriptor) => descriptor.modifyFlags(MARKED, Empty)),
        check: () => check(expectMarked()),
      };
    }),
    workload('idmap/walk', PAGES, (form) => {
      const { map } = mapped();
      let count = 0;
      let fold = 0;
      return {
        run() {
          map.walkRange(allOf(form), (descriptor) => {
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
    workload('idmap/modify-live', PAGES, (form) => {
      const { map, check } = mapped();
      map.markActive();
      let operations = 0;
      return {
        run() {
          operations = map.modifyRange(allOf(form), (descriptor) =>
            descriptor.modifyFlags(ReadOnly, Empty),
          ).length;
        },
        check() {
          checkEqual('maintenance operations', operations, 4);
          check(expectReadOnly());
        },
      };
    }),
    workload('idmap/map1', CALLS, (form) => {
      const { map, check } = fresh();
      return {
        run() {
          for (let call = 0; call < CALLS; call++) {
            const page = strided(call, PERMUTED);
            map.mapRange(new MemoryRegion(form.address(page), form.end(page)), NORMAL);
          }
        },
        check: () => check(expectPermuted()),
      };
    }),
    workload('target/map', PAGES, (form) => {
      const allocator = touchedAllocator();
      const map = new Mapping({
        regime: El1And0,
        rootLevel: 0,
        asid: 1,
        memory: allocator.memory,
        allocator,
        atomic,
      });
      return {
        run: () => void map.mapRange(allOf(form), form.address(0), NORMAL, PAGES_ONLY),
        check() {
          const loaded = new PhysicalMemory();
          loaded.addRange(TABLES_BASE, allocator.asBytes().buffer as ArrayBuffer);
          expectMapped().checkMemory(loaded, TABLES_BASE);
        },
      };
    }),
  ];
}

/** The range that all workloads but one work on at once. */
function allOf(form: AddressForm): MemoryRegion {
  return new MemoryRegion(form.address(0), form.end(PAGES - 1));
}

/** An allocator whose memory has been touched, as that of the native run. */
function touchedAllocator(): TargetAllocator {
  const allocator = new TargetAllocator(TABLES_BASE);
  const frames = Array.from({ length: expectMapped().used }, () => allocator.allocatePage());
  for (const frame of frames) allocator.releasePage(frame);
  for (const { words } of allocator.memory.ranges) words.fill(0);
  return allocator;
}

/** Plainly built tables that map every page with these bits. */
function expect(bits: EntryBits): () => PlainTables {
  return once(() => {
    const plain = new PlainTables(TABLES_BASE, TABLE_FRAMES, 4);
    for (let page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++) plain.map(page, page + 1, bits);
    return plain;
  });
}

function entryBits(block: bigint): EntryBits {
  return { table: TABLE_OR_PAGE | 1n, page: block | TABLE_OR_PAGE, large: block };
}

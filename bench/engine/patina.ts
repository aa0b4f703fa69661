import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import type { PatinaPageTable } from '../../src/patina/page-table.ts';
import { PagingType } from '../../src/patina/paging-type.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';
import { checkEqual, type PreparedRun, type Workload } from '../workload.ts';
import { type AddressForm, BIGINTS, NUMBERS, once, PAGE, PERMUTED, S, strided } from './addresses.ts';
import { type EntryBits, PlainTables } from './plain-tables.ts';

const FIRST_PAGE = S / PAGE;
const MIB_2 = 512 * PAGE;
const GIB = 512 * MIB_2;
const PAGES = GIB / PAGE;
const PERMUTED_CALLS = 1_000_000;
/** Tables that one run of a2 maps into, because one call is too short for the clock; frames of each. */
const A2_TABLES = 128;
const A2_FRAMES = 16;

const TABLES_BASE = 0x1_0000_0000;
const TABLE_FRAMES = 4096;
/** The memory of all tables; its pages have been touched before anything is timed. */
const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * PAGE);
for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);

interface Kind {
  readonly name: string;
  readonly levels: number;
  readonly plain: number;
  /** Entries with the attributes `plain`, and with ReadOnly besides. */
  readonly bits: EntryBits;
  readonly readOnlyBits: EntryBits;
  create(options: ReturnType<typeof tableOptions>): PatinaPageTable;
  /** Nanoseconds per unit from SPEED-native.md. */
  readonly native: Readonly<Record<string, number>>;
}

/** P, R/W, U/S; PS (SDM Vol. 3A §4.5). */
const X64_BITS = { table: 0x7n, page: 0x7n, large: 0x87n };
const X64_READ_ONLY = { table: 0x7n, page: 0x5n, large: 0x85n };
/** Valid, table/page; AttrIndx 3, inner shareable, AF; AP[2] (Arm ARM D8.3). */
const AARCH64_BITS = { table: 0x70fn, page: 0x70fn, large: 0x70dn };
const AARCH64_READ_ONLY = { table: 0x70fn, page: 0x78fn, large: 0x78dn };

const KINDS: readonly Kind[] = [
  {
    name: 'patina/x64-4',
    levels: 4,
    plain: MemoryAttributes.None,
    bits: X64_BITS,
    readOnlyBits: X64_READ_ONLY,
    create: (options) => X64PageTable.create(options),
    native: { a1: 23.24, a2: 0.0076, a3: 1.97, b: 26.77, c: 1.44, c2: 18.83, e: 3.61, d: 1.4 },
  },
  {
    name: 'patina/x64-5',
    levels: 5,
    plain: MemoryAttributes.None,
    bits: X64_BITS,
    readOnlyBits: X64_READ_ONLY,
    create: (options) => X64PageTable.create({ ...options, pagingType: PagingType.Paging5Level }),
    native: { a1: 28.04, a2: 0.0076, a3: 1.98, b: 31.53, c: 1.44, c2: 23.13, e: 3.61, d: 1.41 },
  },
  {
    name: 'patina/aarch64-4',
    levels: 4,
    plain: MemoryAttributes.Writeback,
    bits: AARCH64_BITS,
    readOnlyBits: AARCH64_READ_ONLY,
    create: (options) => AArch64PageTable.create(options),
    native: { a1: 20.58, a2: 0.0114, a3: 2.56, b: 23.79, c: 1.68, c2: 17.58, e: 4.3, d: 1.46 },
  },
];

/** The workloads of SPEED-native.md on Patina's tables. */
export const PATINA_WORKLOADS: readonly Workload[] = KINDS.flatMap(workloadsOf);

function tableOptions(base: number, frames: number) {
  return { memory, allocator: new SequentialAllocator(base, frames * PAGE) };
}

/** New tables, and the check that their bytes are those of the plain ones that `build` makes. */
function tablesOf(kind: Kind, base: number, frames: number) {
  const options = tableOptions(base, frames);
  const table = kind.create(options);
  const check = (plain: PlainTables) => plain.check(memory, base, options.allocator.allocatedPages);
  return { table, check };
}

function plainTables(
  kind: Kind,
  base: number,
  frames: number,
  build: (plain: PlainTables) => void,
): PlainTables {
  const plain = new PlainTables(base, frames, kind.levels);
  plain.reserve(kind.bits);
  build(plain);
  return plain;
}

function workloadsOf(kind: Kind): Workload[] {
  const { plain, bits, readOnlyBits } = kind;
  const readOnly = plain | MemoryAttributes.ReadOnly;
  const fresh = () => tablesOf(kind, TABLES_BASE, TABLE_FRAMES);
  /** 1 GiB of individually mapped pages. */
  const mapped = () => {
    const tables = fresh();
    for (let page = 0; page < PAGES; page++) tables.table.mapMemoryRegion(S + page * PAGE, PAGE, plain);
    return tables;
  };
  const expect = (build: (plain: PlainTables) => void) =>
    once(() => plainTables(kind, TABLES_BASE, TABLE_FRAMES, build));
  const expectMapped = expect((tables) => {
    for (let page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++) tables.map(page, page + 1, bits);
  });
  const workload = (id: string, units: number, prepare: (form: AddressForm) => PreparedRun): Workload => ({
    id: `${kind.name}/${id}`,
    units,
    nativeNs: kind.native[id],
    prepare: () => prepare(NUMBERS),
    prepareBigint: () => prepare(BIGINTS),
  });

  const expectAlternating = expect((tables) => {
    for (let page = 0; page < PAGES; page++) {
      tables.map(FIRST_PAGE + page, FIRST_PAGE + page + 1, (page & 1) === 0 ? bits : readOnlyBits);
    }
  });
  const expectLarge = once(() =>
    Array.from({ length: A2_TABLES }, (_, index) =>
      plainTables(kind, TABLES_BASE + index * A2_FRAMES * PAGE, A2_FRAMES, (tables) =>
        tables.map(FIRST_PAGE + 1, FIRST_PAGE + 1 + PAGES, bits),
      ),
    ),
  );
  const expectBlocks = expect((tables) => {
    for (let page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page += 512) tables.map(page, page + 511, bits);
  });
  const expectPermuted = expect((tables) => {
    for (let call = 0; call < PERMUTED_CALLS; call++) {
      const page = FIRST_PAGE + strided(call, PERMUTED);
      tables.map(page, page + 1, bits);
    }
  });
  const expectUnmapped = expect((tables) => {
    for (let page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++) tables.map(page, page + 1, bits);
    tables.change(FIRST_PAGE, FIRST_PAGE + PAGES, () => 0n);
  });

  return [
    workload('a1', PAGES, (form) => {
      const { table, check } = fresh();
      const size = form.size(PAGE);
      return {
        run() {
          for (let page = 0; page < PAGES; page++) {
            table.mapMemoryRegion(form.address(page), size, (page & 1) === 0 ? plain : readOnly);
          }
        },
        check: () => check(expectAlternating()),
      };
    }),
    workload('a2', PAGES * A2_TABLES, (form) => {
      const tables = Array.from({ length: A2_TABLES }, (_, index) =>
        tablesOf(kind, TABLES_BASE + index * A2_FRAMES * PAGE, A2_FRAMES),
      );
      const address = form.address(1);
      const size = form.size(GIB);
      return {
        run() {
          for (const { table } of tables) table.mapMemoryRegion(address, size, plain);
        },
        check() {
          const expected = expectLarge();
          tables.forEach(({ check }, index) => {
            check(expected[index] as PlainTables);
          });
        },
      };
    }),
    workload('a3', 512 * 511, (form) => {
      const { table, check } = fresh();
      const size = form.size(MIB_2 - PAGE);
      return {
        run() {
          for (let page = 0; page < PAGES; page += 512) {
            table.mapMemoryRegion(form.address(page), size, plain);
          }
        },
        check: () => check(expectBlocks()),
      };
    }),
    workload('b', PERMUTED_CALLS, (form) => {
      const { table, check } = fresh();
      const size = form.size(PAGE);
      return {
        run() {
          for (let call = 0; call < PERMUTED_CALLS; call++) {
            table.mapMemoryRegion(form.address(strided(call, PERMUTED)), size, plain);
          }
        },
        check: () => check(expectPermuted()),
      };
    }),
    workload('c', PAGES, (form) => {
      const { table } = mapped();
      const address = form.address(0);
      const size = form.size(GIB);
      let attributes = -1;
      return {
        run() {
          attributes = table.queryMemoryRegion(address, size);
        },
        check: () => checkEqual('attributes', attributes, plain),
      };
    }),
    workload('c2', PAGES, (form) => {
      const { table, check } = mapped();
      const size = form.size(PAGE);
      let sum = 0;
      return {
        run() {
          for (let page = 0; page < PAGES; page++) sum += table.queryMemoryRegion(form.address(page), size);
        },
        check() {
          checkEqual('sum of attributes', sum, PAGES * plain);
          check(expectMapped());
        },
      };
    }),
    withoutBigint(
      workload('e', PAGES, () => {
        const { table } = mapped();
        let folded = 0;
        let regions = 0;
        return {
          run() {
            const cursor = table.mappedRegionCursor();
            while (cursor.advance()) {
              folded += cursor.page ^ cursor.frame ^ cursor.attributes;
              regions++;
            }
          },
          check() {
            checkEqual('regions', regions, PAGES);
            checkEqual('fold', folded, PAGES * plain);
          },
        };
      }),
    ),
    workload('d', PAGES, (form) => {
      const { table, check } = mapped();
      const address = form.address(0);
      const size = form.size(GIB);
      return {
        run: () => table.unmapMemoryRegion(address, size),
        check: () => check(expectUnmapped()),
      };
    }),
  ];
}

function withoutBigint({ id, units, nativeNs, prepare }: Workload): Workload {
  return { id, units, nativeNs, prepare };
}

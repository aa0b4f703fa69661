import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import {
  type FrameAllocator,
  OffsetPageTable,
  Page,
  PageTableFlags,
  PhysFrame,
  Size4KiB,
} from '../../src/x64/mapper/index.ts';
import { checkEqual, type PreparedRun, type Workload } from '../workload.ts';
import {
  type AddressForm,
  BIGINTS,
  IN_PAGE,
  NUMBERS,
  once,
  PAGE,
  PERMUTED,
  S,
  SEQUENTIAL,
  strided,
} from './addresses.ts';
import { PlainTables } from './plain-tables.ts';

const CALLS = 1_000_000;
/** Tables below the root that 4 GiB − 193 MiB of 4 KiB pages need. */
const TABLES = 1959;
/** Where physical memory is mapped for the mapper, and where the tables are in it. */
const OFFSET = 0x2000_0000_0000;
const ROOT = 0x1_0000_0000;
const TABLE_FRAMES = 2064;

const { Present, Writable, NoExecute } = PageTableFlags;
const BITS = { table: 0x3n, page: 0x3n, large: 0x83n };
const NO_EXECUTE_BIT = 1n << 63n;

const memory = PhysicalMemory.allocate(OFFSET + ROOT, TABLE_FRAMES * PAGE);

/** Nanoseconds per call from SPEED-native.md. */
const NATIVE: Readonly<Record<string, number>> = {
  'map_to-4K-sequential': 7.94,
  'translate-sequential': 2.54,
  'update_flags-sequential': 2.85,
  'unmap-4K-sequential': 2.54,
  'clean_up-after-unmap': 68.17,
  'map_to-4K-permuted': 9.69,
  'translate-permuted': 4.0,
  'update_flags-permuted': 4.43,
  'unmap-4K-permuted': 4.33,
};

/** The workloads of SPEED-native.md on an OffsetPageTable. */
export const X86_64_WORKLOADS: readonly Workload[] = [
  ...workloadsOf('sequential', SEQUENTIAL),
  cleanUpWorkload(),
  ...workloadsOf('permuted', PERMUTED),
];

/** An empty table, and an allocator that gives the frames behind its root in order. */
function fresh() {
  for (const { words } of memory.ranges) words.fill(0);
  const table = new OffsetPageTable(memory, PhysFrame.fromStartAddress(Size4KiB, ROOT), OFFSET);
  const allocator = {
    used: 1,
    allocateFrame() {
      return PhysFrame.fromStartAddress(Size4KiB, ROOT + this.used++ * PAGE);
    },
  };
  return { table, allocator };
}

/*
 * The timed loops. They stand outside the workloads' closures, and take what they share into variables: V8 loads and
 * checks constants of a module in each round.
 */

function mapAll(table: OffsetPageTable, allocator: FrameAllocator, form: AddressForm, stride: number): void {
  const { size4KiB } = table;
  const [calls, size, pageAt, frameAt] = [CALLS, Size4KiB, Page.fromStartAddress, PhysFrame.fromStartAddress];
  const flags = Present | Writable;
  for (let call = 0; call < calls; call++) {
    const address = form.address(strided(call, stride));
    size4KiB.mapTo(pageAt(size, address), frameAt(size, address), flags, allocator).ignore();
  }
}

/** @returns the sum of all physical addresses, less {@link S} each */
function translateAll(table: OffsetPageTable, form: AddressForm, stride: number): number {
  const [calls, bytes, start] = [CALLS, PAGE, S];
  let sum = 0;
  for (let call = 0; call < calls; call++) {
    const result = table.translate(form.inPage(strided(call, stride)));
    if (result.kind === 'mapped') sum += result.frame * bytes + result.offset - start;
  }
  return sum;
}

function updateAll(table: OffsetPageTable, form: AddressForm, stride: number): void {
  const { size4KiB } = table;
  const [calls, size, pageAt] = [CALLS, Size4KiB, Page.fromStartAddress];
  const flags = Present | Writable | NoExecute;
  for (let call = 0; call < calls; call++) {
    size4KiB.updateFlags(pageAt(size, form.address(strided(call, stride))), flags).ignore();
  }
}

function unmapAll(table: OffsetPageTable, form: AddressForm, stride: number): void {
  const { size4KiB } = table;
  const [calls, size, pageAt] = [CALLS, Size4KiB, Page.fromStartAddress];
  for (let call = 0; call < calls; call++) {
    size4KiB.unmap(pageAt(size, form.address(strided(call, stride)))).flush.ignore();
  }
}

/** All pages mapped in this order, the plain way, and their entries changed. */
function plainTables(stride: number, changed: (entry: bigint) => bigint): PlainTables {
  const tables = new PlainTables(ROOT, TABLE_FRAMES, 4);
  for (let call = 0; call < CALLS; call++) {
    const page = S / PAGE + strided(call, stride);
    tables.map(page, page + 1, BITS);
    tables.change(page, page + 1, changed);
  }
  return tables;
}

function workload(id: string, units: number, prepare: (form: AddressForm) => PreparedRun): Workload {
  return {
    id: `x86_64/offset/${id}`,
    units,
    nativeNs: NATIVE[id],
    prepare: () => prepare(NUMBERS),
    prepareBigint: () => prepare(BIGINTS),
  };
}

function workloadsOf(order: string, stride: number): Workload[] {
  const expectMapped = once(() => plainTables(stride, (entry) => entry));
  const expectUpdated = once(() => plainTables(stride, (entry) => entry | NO_EXECUTE_BIT));
  const expectUnmapped = once(() => plainTables(stride, () => 0n));
  const expectFold = once(() => {
    let folded = 0;
    for (let call = 0; call < CALLS; call++) folded += strided(call, stride) * PAGE + IN_PAGE;
    return folded;
  });
  const mapped = () => {
    const { table, allocator } = fresh();
    mapAll(table, allocator, NUMBERS, stride);
    return table;
  };

  return [
    workload(`map_to-4K-${order}`, CALLS, (form) => {
      const { table, allocator } = fresh();
      return {
        run: () => mapAll(table, allocator, form, stride),
        check: () => expectMapped().check(memory, OFFSET + ROOT, allocator.used),
      };
    }),
    workload(`translate-${order}`, CALLS, (form) => {
      const table = mapped();
      let folded = 0;
      return {
        run() {
          folded = translateAll(table, form, stride);
        },
        check() {
          checkEqual('fold', folded, expectFold());
          expectMapped().checkMemory(memory, OFFSET + ROOT);
        },
      };
    }),
    workload(`update_flags-${order}`, CALLS, (form) => {
      const table = mapped();
      return {
        run: () => updateAll(table, form, stride),
        check: () => expectUpdated().checkMemory(memory, OFFSET + ROOT),
      };
    }),
    workload(`unmap-4K-${order}`, CALLS, (form) => {
      const table = mapped();
      return {
        run: () => unmapAll(table, form, stride),
        check: () => expectUnmapped().checkMemory(memory, OFFSET + ROOT),
      };
    }),
  ];
}

function cleanUpWorkload(): Workload {
  const { id, units, nativeNs, prepare } = workload('clean_up-after-unmap', TABLES, () => {
    const { table, allocator } = fresh();
    mapAll(table, allocator, NUMBERS, SEQUENTIAL);
    unmapAll(table, NUMBERS, SEQUENTIAL);
    let freed = 0;
    const deallocator = {
      deallocateFrame() {
        freed++;
      },
    };
    return {
      run: () => table.cleanUp(deallocator),
      check() {
        checkEqual('freed tables', freed, TABLES);
        const left = memory.ranges.flatMap(({ words }) => words.findIndex((word) => word !== 0));
        checkEqual('first word that is not zero', Math.max(...left), -1);
      },
    };
  });
  return { id, units, nativeNs, prepare };
}

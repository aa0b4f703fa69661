/** `node scripts/run.mjs bench/walker.js`: how fast the walker predicts, on tables of 4 KiB pages and 2 MiB leaves. */
import { fileURLToPath } from 'node:url';
import { Access, AccessList, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import { createWalker } from '../src/walker.ts';

/** One thing to measure. */
export interface WalkerWorkload {
  readonly id: string;
  /** What the time is divided by. */
  readonly units: number;
  readonly run: () => void;
}

const GIGABYTES = 2;
const PAGES = GIGABYTES * 2 ** 18;
const ACCESSES_PER_PAGE = 6;
const RUNS = 9;

/** Identity-mapped tables of both architectures, asked in order, at random, and for their leaves. */
export function walkerWorkloads(): WalkerWorkload[] {
  return [...Object.entries(REGISTERS)].flatMap(([architecture, registers]) =>
    (['4k', '2m'] as const).flatMap((pageSize) => {
      const memory = identityTables(ENTRY_BITS[registers.architecture], pageSize === '4k');
      const walker = createWalker(memory, registers);
      const outcomes = new OutcomeList(PAGES * ACCESSES_PER_PAGE);
      const predict = (order: 'ordered' | 'random', accesses: AccessList): WalkerWorkload => ({
        id: `predict-${architecture}-${pageSize}-${order}`,
        units: accesses.length,
        run: () => walker.predict(accesses, outcomes),
      });
      const step = pageSize === '4k' ? 1 : 512;
      return [
        predict('ordered', orderedAccesses(step)),
        predict('random', randomAccesses()),
        { id: `leaves-${architecture}-${pageSize}`, units: PAGES / step, run: () => void walker.leaves() },
      ];
    }),
  );
}

const ROOT = 0x10_0000;
const REGISTERS = {
  x64: {
    architecture: 'x64',
    cr0: 0x8001_0001n,
    cr3: BigInt(ROOT),
    cr4: 0x20n,
    efer: 0xd00n,
    physicalAddressBits: 40,
  },
  aarch64: {
    architecture: 'aarch64',
    exceptionLevel: 1,
    ttbr0: BigInt(ROOT),
    ttbr1: 0n,
    tcr: 16n | (1n << 23n) | (5n << 32n),
    mair: 0xffn,
    sctlr: 1n,
    hcrEl2: 0n,
  },
} as const satisfies Record<string, Registers>;

/** Low bits of table, page and large-page entries that allow everything. */
const ENTRY_BITS = {
  x64: { table: 0x7n, page: 0x7n, large: 0x87n },
  aarch64: { table: 0x3n, page: 0x743n, large: 0x741n },
} as const;

type EntryBits = (typeof ENTRY_BITS)[keyof typeof ENTRY_BITS];

function identityTables(bits: EntryBits, small: boolean): PhysicalMemory {
  const directories = GIGABYTES;
  const pageTables = small ? GIGABYTES * 512 : 0;
  const frames = 2 + directories + pageTables;
  const memory = PhysicalMemory.allocate(ROOT, frames * 4096);
  const frame = (index: number) => BigInt(ROOT + index * 4096);
  memory.writeEntry(frame(0), frame(1) | bits.table);
  for (let i = 0; i < directories; i++)
    memory.writeEntry(frame(1) + BigInt(8 * i), frame(2 + i) | bits.table);
  for (let i = 0; i < GIGABYTES * 512; i++) {
    const at = frame(2) + BigInt(8 * i);
    memory.writeEntry(at, small ? frame(2 + directories + i) | bits.table : (BigInt(i) << 21n) | bits.large);
  }
  for (let i = 0; i < pageTables * 512; i++) {
    memory.writeEntry(frame(2 + directories) + BigInt(8 * i), (BigInt(i) << 12n) | bits.page);
  }
  return memory;
}

/** Every access of both privileges to every `step`-th page. */
function orderedAccesses(step: number): AccessList {
  const accesses = new AccessList((PAGES / step) * ACCESSES_PER_PAGE);
  let index = 0;
  for (let page = 0; page < PAGES; page += step) {
    for (const privilege of Object.values(Privilege)) {
      for (const access of Object.values(Access)) accesses.set(index++, page * 4096, 0, access, privilege);
    }
  }
  return accesses;
}

/** One read of a page at random, again and again: no walk can be reused. */
function randomAccesses(): AccessList {
  const accesses = new AccessList(PAGES);
  let state = 1;
  for (let i = 0; i < PAGES; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    accesses.set(i, ((state >>> 8) % PAGES) * 4096, 0, Access.Read, Privilege.User);
  }
  return accesses;
}

function medianMilliseconds(run: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] as number;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { id, units, run } of walkerWorkloads()) {
    const milliseconds = medianMilliseconds(run);
    const nanoseconds = (milliseconds * 1e6) / units;
    const rate = 1000 / nanoseconds;
    console.log(
      `${id.padEnd(32)} ${nanoseconds.toFixed(1).padStart(8)} ns  ${rate.toFixed(1).padStart(7)} M/s`,
    );
  }
}

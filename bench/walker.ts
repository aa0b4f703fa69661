/** How fast the walker predicts, on tables of 4 KiB pages and 2 MiB leaves. */
import { Access, AccessList, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { Registers } from '../src/registers.ts';
import { createWalker } from '../src/walker.ts';
import { once } from './engine/addresses.ts';
import { checkEqual, type PreparedRun, type Workload } from './workload.ts';

const GIGABYTES = 2;
const PAGES = GIGABYTES * 2 ** 18;
const ACCESSES_PER_PAGE = 6;

/** Identity-mapped tables of both architectures, asked in order, at random, and for their leaves. */
function walkerWorkloads(): Workload[] {
  return Object.entries(REGISTERS).flatMap(([architecture, registers]) =>
    (['4k', '2m'] as const).flatMap((pageSize) => {
      const name = `${architecture}-${pageSize}`;
      const step = pageSize === '4k' ? 1 : 512;
      const walker = once(() => {
        const memory = identityTables(ENTRY_BITS[registers.architecture], pageSize === '4k');
        if (registers === REGISTERS['aarch64-two-stages']) addStageTwo(memory);
        return createWalker(memory, registers);
      });
      const workload = (id: string, units: number, prepare: () => PreparedRun): Workload => ({
        id: `walker/${id}`,
        units,
        nativeNs: undefined,
        prepare,
      });
      const predict = (order: string, length: number, accesses: () => AccessList): Workload =>
        workload(`predict-${name}-${order}`, length, () => {
          const { predict } = walker();
          const list = accesses();
          const outcomes = new OutcomeList(length);
          return {
            run: () => predict(list, outcomes),
            check: () => checkIdentity(list, outcomes),
          };
        });
      return [
        predict(
          'ordered',
          (PAGES / step) * ACCESSES_PER_PAGE,
          once(() => orderedAccesses(step)),
        ),
        predict('random', PAGES, once(randomAccesses)),
        workload(`leaves-${name}`, PAGES / step, () => {
          const { leaves } = walker();
          let found = 0;
          return {
            run() {
              found = leaves().length;
            },
            check: () => checkEqual('leaves', found, PAGES / step),
          };
        }),
      ];
    }),
  );
}

/** Every read completes, at the address it names; of the reads one in a hundred is looked at. */
function checkIdentity(accesses: AccessList, { fault, physicalAddress }: OutcomeList): void {
  for (let index = 0; index < accesses.length; index += 101) {
    if (accesses.access(index) !== Access.Read) continue;
    checkEqual('fault', fault[index] as number, 0);
    checkEqual('physical address', physicalAddress[index] as number, Number(accesses.address(index)));
  }
}

const ROOT = 0x10_0000;
const STAGE_TWO_ROOT = 0xc000_0000;
const EL1 = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: BigInt(ROOT),
  ttbr1: 0n,
  tcr: 16n | (1n << 23n) | (5n << 32n),
  mair: 0xffn,
  sctlr: 1n,
  hcrEl2: 0n,
} as const;
const REGISTERS = {
  x64: {
    architecture: 'x64',
    cr0: 0x8001_0001n,
    cr3: BigInt(ROOT),
    cr4: 0x20n,
    efer: 0xd00n,
    physicalAddressBits: 40,
  },
  aarch64: EL1,
  /** 39-bit intermediate addresses from level 1. */
  'aarch64-two-stages': {
    ...EL1,
    hcrEl2: 1n,
    vtcr: 25n | (1n << 6n) | (5n << 16n),
    vttbr: BigInt(STAGE_TWO_ROOT),
  },
} as const satisfies Record<string, Registers>;

/** Low bits of table, page and large-page entries that allow everything. */
const ENTRY_BITS = {
  x64: { table: 0x7n, page: 0x7n, large: 0x87n },
  aarch64: { table: 0x3n, page: 0x743n, large: 0x741n },
} as const;

/** Low bits of a block of stage 2 that allows everything. */
const STAGE_TWO_BLOCK = 0x7fdn;

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

/** Stage 2 of 1 GiB blocks that map everything onto itself. */
function addStageTwo(memory: PhysicalMemory): void {
  memory.addRange(STAGE_TWO_ROOT, new ArrayBuffer(4096));
  for (let i = 0; i < 512; i++)
    memory.writeEntry(STAGE_TWO_ROOT + 8 * i, (BigInt(i) << 30n) | STAGE_TWO_BLOCK);
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

/** The walker's workloads; there is no native figure to compare them with. */
export const WALKER_WORKLOADS: readonly Workload[] = walkerWorkloads();

import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import type { LiveGuest, TlbOperation } from '../../harness/live-guest.ts';
import type { GuestImage, Machine } from '../../harness/machine.ts';
import { tlbErrataOf } from '../../harness/tlb-suite/tlb-errata.ts';
import { FRAME_SIZE } from '../../src/addresses.ts';
import { type AArch64Registers, Known, type PhysicalMemory, type TlbiName } from '../../src/index.ts';
import { ALL, type Kind, NORMAL, row, SUPERVISOR } from './aarch64-rows.ts';
import { ALL_OF_TWO, HCR_DC, HCR_VM, StageTwoTables } from './aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Hcr, type TableOptions } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe } from './expectations.ts';

/** In RAM, below the tables: only the data tag that an access finds says where it went. */
const FRAME = 0x3012_3000n;
const OTHER = 0x3045_6000n;
/** Far from the stub's own pages in a TLB that is indexed by the low bits of the page number: they would evict it. */
const PAGE = 0x2a_d000n;
const UPPER_PAGE = 0xffff_8000_002a_d000n;
/** To another page, far from it in the same way. */
const DISTANCE = 0x1001_0000n;

const OPEN = NORMAL | Bit.User;
/** What EL0 may write is never executed at EL1 or EL2. */
const WITH_USER = ALL.filter((kind) => kind !== 'xs');

/** A TLBI with the barriers around it. */
function tlbi(...names: readonly (readonly [TlbiName, bigint?])[]): TlbOperation[] {
  return [
    { kind: 'dsb', option: 'ISHST' },
    ...names.flatMap(([name, operand]): TlbOperation[] => [
      { kind: 'tlbi', name, operand },
      { kind: 'dsb', option: 'ISH' },
    ]),
    { kind: 'isb' },
  ];
}

/** Tables of one regime in which a page can be led elsewhere, and others in the same memory. */
interface LiveTables {
  readonly image: GuestImage;
  lead(page: bigint, frame: bigint): void;
  withdraw(page: bigint): void;
  /** Builds other tables, in which `page` leads to `frame`. @returns the registers that lead to them */
  other(page: bigint, frame: bigint): AArch64Registers;
}

interface Regime {
  readonly name: string;
  readonly needs: string;
  readonly page: bigint;
  readonly kinds: readonly Kind[];
  make(): LiveTables;
  /** Ends the translations of a page, and of everything. */
  ofPage(page: bigint): TlbOperation[];
  readonly ofAll: TlbOperation[];
}

function stageOne(options: TableOptions): LiveTables {
  const image = new HandmadeTables(options);
  return {
    image,
    lead: (page, frame) => void image.map(page, frame, OPEN),
    withdraw: (page) => void image.set(image.entryAddress(page, 3), 0n),
    other(page, frame) {
      const others = new HandmadeTables({ ...options, base: 0x4800_0000n }).map(page, frame, OPEN);
      join(image.memory, others.memory);
      return { ...image.registers, ttbr0: others.registers.ttbr0, ttbr1: others.registers.ttbr1 };
    },
  };
}

function stageTwo(hcrEl2: bigint, one = new HandmadeTables()): LiveTables {
  const base = 0x4000_0000n;
  const tables = (options: { readonly base?: bigint }, under = one) =>
    new StageTwoTables(under, { hcrEl2, ...options }).map(base, base, ALL_OF_TWO, 2);
  const image = tables({});
  return {
    image,
    lead: (page, frame) => void image.map(page, frame, ALL_OF_TWO),
    withdraw: (page) => void image.map(page, 0n, 0n),
    other(page, frame) {
      const others = tables({ base: 0x5800_0000n }, new HandmadeTables({ base: 0x4800_0000n }));
      others.map(page, frame, ALL_OF_TWO);
      join(image.memory, others.memory);
      return {
        ...image.registers,
        ...(others.registers.vttbr !== undefined && { vttbr: others.registers.vttbr }),
      };
    },
  };
}

/** Stage 1 leads every page to the intermediate address with the same low bits; stage 2 is what changes. */
function nested(): LiveTables {
  return stageTwo(
    HCR_VM,
    new HandmadeTables().map(PAGE, PAGE, OPEN).map(PAGE + DISTANCE, PAGE + DISTANCE, OPEN),
  );
}

/** Adds one memory's ranges to another: both see them. */
function join(memory: PhysicalMemory, other: PhysicalMemory): void {
  for (const { firstFrame, words } of other.ranges) memory.addRange(firstFrame * FRAME_SIZE, words.buffer);
}

const pageOperand = (page: bigint) => (page >> 12n) & ((1n << 44n) - 1n);

/** The invalidation of a page by its address, and the one of everything. */
function invalidations(ofPage: TlbiName, ofAll: TlbiName, combined?: TlbiName) {
  return {
    ofPage: (page: bigint) =>
      tlbi([ofPage, pageOperand(page)], ...(combined === undefined ? [] : [[combined] as const])),
    ofAll: tlbi([ofAll]),
  };
}

const OF_STAGE_TWO = invalidations('IPAS2E1IS', 'VMALLS12E1IS', 'VMALLE1IS');

const REGIMES: readonly Regime[] = [
  ...[PAGE, UPPER_PAGE].map((page) => ({
    name: page === PAGE ? 'EL1&0, lower half' : 'EL1&0, upper half',
    needs: 'EL1&0',
    page,
    kinds: WITH_USER,
    make: () => stageOne({}),
    ...invalidations('VAAE1IS', 'VMALLE1IS'),
  })),
  {
    name: 'EL2',
    needs: 'EL2',
    page: PAGE,
    kinds: SUPERVISOR,
    make: () => stageOne({ exceptionLevel: 2 }),
    ...invalidations('VAE2IS', 'ALLE2IS'),
  },
  ...[PAGE, UPPER_PAGE].map((page) => ({
    name: page === PAGE ? 'EL2&0, lower half' : 'EL2&0, upper half',
    needs: 'EL2&0',
    page,
    kinds: WITH_USER,
    make: () => stageOne({ exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE }),
    ...invalidations('VAE2IS', 'ALLE2IS'),
  })),
  {
    name: 'EL3',
    needs: 'EL3',
    page: PAGE,
    kinds: SUPERVISOR,
    make: () => stageOne({ exceptionLevel: 3 }),
    ...invalidations('VAE3IS', 'ALLE3IS'),
  },
  {
    ...OF_STAGE_TWO,
    name: 'stage 2 alone',
    needs: 'stage 2',
    page: PAGE,
    kinds: ALL,
    make: () => stageTwo(HCR_VM | HCR_DC),
  },
  {
    ...OF_STAGE_TWO,
    name: 'stage 2 below stage 1',
    needs: 'stage 2',
    page: PAGE,
    kinds: WITH_USER,
    make: nested,
  },
];

/** What AArch64 machines promise of tables that change while the guest runs. */
export function describeAArch64LiveContract(subject: MachineUnderTest): void {
  describe.each(REGIMES)('AArch64, tables that change while the guest runs: $name', (regime) => {
    const { page, kinds, needs } = regime;
    const distant = page + DISTANCE;
    let machine: Machine;
    beforeAll(async () => {
      machine = await subject.open();
    });
    afterAll(() => machine.close());
    const load = async ({ image }: LiveTables, { skip }: TestContext): Promise<LiveGuest> => {
      skip(!machine.capabilities.features.includes(needs), `this machine has no ${needs}`);
      if (machine.loadLive === undefined) skip('this machine has no live tables');
      if (machine.name === 'unicorn-aarch64') skip(needs === 'stage 2', 'no stage 2 while tables change');
      return (await machine.loadLive?.(image)) as LiveGuest;
    };
    const rowsAt = (at: bigint, physical: bigint) => kinds.map((kind) => row(kind, at, { physical }));
    /** Expects every access to be seen at one of the two frames, which both are announced. */
    const landsAt = async ({ image }: LiveTables, physical: bigint, at = page) => {
      await probe(machine, [row('rs', at, { physical: physical === FRAME ? OTHER : FRAME })]);
      await probe(machine, [row('rs', at, { physical })]);
      const rows = rowsAt(at, physical);
      const { outcomes } = await probe(machine, rows);
      expect([...outcomes.physicalAddress]).toEqual(rows.map(() => Number(physical)));
      expect([...outcomes.known].every((known) => (known & Known.PhysicalAddress) !== 0)).toBe(true);
      await expectOutcomes(machine, image, rows);
    };
    /** Whether the machine's invalidation by address is known not to reach this regime. */
    const isDeaf = () => tlbErrataOf(machine).some((erratum) => erratum.regime === needs);

    test('a change without an invalidation leaves the old translation in force, the one of its address ends it', async (context) => {
      const tables = regime.make();
      tables.lead(page, FRAME);
      const guest = await load(tables, context);
      await landsAt(tables, FRAME);
      tables.lead(page, OTHER);
      await guest.update();
      await landsAt(tables, FRAME);
      await guest.invalidate(regime.ofPage(page));
      await landsAt(tables, isDeaf() ? FRAME : OTHER);
      await guest.invalidate(regime.ofAll);
      await landsAt(tables, OTHER);
    });

    test('what was not mapped needs no invalidation, what is withdrawn and invalidated faults', async (context) => {
      const tables = regime.make();
      tables.lead(page, FRAME);
      const guest = await load(tables, context);
      await landsAt(tables, FRAME);
      tables.lead(distant, OTHER);
      await guest.update();
      await landsAt(tables, OTHER, distant);
      tables.withdraw(page);
      await guest.update();
      await landsAt(tables, FRAME);
      await guest.invalidate(regime.ofAll);
      const { outcomes } = await probe(machine, rowsAt(page, FRAME));
      expect([...outcomes.fault].every((fault) => fault !== 0)).toBe(true);
      await landsAt(tables, OTHER, distant);
    });

    test('other tables, and the first again, come with the base register; what was cached stays until invalidated', async (context) => {
      const tables = regime.make();
      tables.lead(page, FRAME);
      tables.lead(distant, FRAME);
      const others = tables.other(page, OTHER);
      const guest = await load(tables, context);
      await landsAt(tables, FRAME);
      await guest.switchTables?.(others);
      await landsAt(tables, FRAME);
      const { outcomes } = await probe(machine, rowsAt(distant, FRAME));
      expect([...outcomes.fault].every((fault) => fault !== 0)).toBe(true);
      await guest.invalidate(regime.ofAll);
      await landsAt(tables, OTHER);
      await guest.switchTables?.(tables.image.registers as AArch64Registers);
      await landsAt(tables, FRAME, distant);
      await guest.invalidate(regime.ofAll);
      await landsAt(tables, FRAME);
      await expect(guest.switchTables?.({ ...others, mair: 0n })).rejects.toMatchObject({ code: 'unfit' });
    });

    test('load ends it: every list of probes begins without old translations again', async (context) => {
      const tables = regime.make();
      tables.lead(page, FRAME);
      await load(tables, context);
      await landsAt(tables, FRAME);
      for (const frame of [OTHER, FRAME]) {
        tables.lead(page, frame);
        await machine.load(tables.image);
        await landsAt(tables, frame);
      }
    });
  });

  describe('AArch64, tables that change while the guest runs', () => {
    const loaded = async (image: GuestImage, { skip }: TestContext) => {
      const machine = await subject.loaded(image);
      if (machine.loadLive === undefined) skip('this machine has no live tables');
      return { machine, guest: (await machine.loadLive?.(image)) as LiveGuest };
    };

    test('the guest reads its own tables, an address that faults reads nothing', async (context) => {
      const image = new HandmadeTables().map(0x10_0000n, 0x4000_0000n, NORMAL).map(PAGE, FRAME, OPEN);
      const { guest } = await loaded(image, context);
      const root = image.get(0x4000_0000n);
      expect(root).not.toBe(0n);
      expect(await guest.peek([0x10_0000n, 0x20_0000n, 0x10_0ff8n])).toEqual([root, undefined, 0n]);
      image.set(0x4000_0ff8n, 0x1234_5678_9abc_def0n);
      await guest.update();
      expect(await guest.peek([0x10_0ff8n])).toEqual([0x1234_5678_9abc_def0n]);
    });

    test('one half of the address space is live, the one that is probed first; probes of the other are not made', async (context) => {
      const image = new HandmadeTables().map(PAGE, FRAME, OPEN).map(UPPER_PAGE, OTHER, OPEN);
      const { machine, guest } = await loaded(image, context);
      await expectOutcomes(machine, image, [row('rs', UPPER_PAGE, { physical: OTHER })]);
      const { outcomes, remarks } = await probe(machine, [row('rs', PAGE, { physical: FRAME })]);
      expect(outcomes.known[0]).toBe(0);
      expect(remarks.get(0)).toMatch(/not made/);
      expect(await guest.peek([UPPER_PAGE])).toHaveLength(1);
      await expect(guest.peek([UPPER_PAGE, PAGE])).rejects.toMatchObject({ code: 'unfit' });
    });

    test('a write through an old translation stores what stands there', async (context) => {
      const image = new HandmadeTables().map(PAGE, FRAME, OPEN);
      const { machine, guest } = await loaded(image, context);
      const writes = [row('ws', PAGE, { physical: FRAME }), row('wu', PAGE, { physical: FRAME })];
      await expectOutcomes(machine, image, writes);
      image.set(image.entryAddress(PAGE, 3), 0n);
      await guest.update();
      await expectOutcomes(machine, image, writes);
      await expectOutcomes(machine, image, [...writes, row('xu', PAGE, { physical: FRAME })]);
    });

    test('memory that was not there when the image was loaded cannot be added', async (context) => {
      const image = new HandmadeTables();
      const { guest } = await loaded(image, context);
      image.memory.addRange(0x7000_0000n, new ArrayBuffer(FRAME_SIZE));
      await expect(guest.update()).rejects.toMatchObject({ name: 'MachineError', code: 'failed' });
    });

    test('operations of another architecture are refused', async (context) => {
      const { guest } = await loaded(new HandmadeTables(), context);
      await expect(guest.invalidate([{ kind: 'reload-cr3' }])).rejects.toMatchObject({ code: 'unfit' });
    });
  });
}

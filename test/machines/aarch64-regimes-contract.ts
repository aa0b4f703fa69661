import { describe, expect, type TestContext, test } from 'vitest';
import { AccessFlag } from '../../src/access-list.ts';
import { ALL, FAR, faults, faultsAll, lands, NEAR, NORMAL, row, Status, SUPERVISOR } from './aarch64-rows.ts';
import { Bit, HandmadeTables, Hcr, SCTLR_WXN, type TableOptions, TcrEl2 } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';

const LAST_PAGE = 0xffff_ffff_ffff_0000n;

/** What machines promise of EL3, EL2&0, and pages of 16 and 64 KiB, by images that are written entry by entry. */
export function describeAArch64RegimesContract(subject: MachineUnderTest): void {
  const check = async (image: HandmadeTables, rows: readonly Row[]) =>
    expectOutcomes(await subject.loaded(image), image, rows);
  const needs = async (feature: string, { skip }: TestContext): Promise<void> => {
    const { capabilities } = await subject.loaded(new HandmadeTables());
    skip(!capabilities.features.includes(feature), `this machine has no ${feature}`);
  };
  const OPEN = NORMAL | Bit.User;

  describe('AArch64: EL3', () => {
    const el3 = { exceptionLevel: 3 } as const;

    test.for([
      ['EL1 and EL2 Non-secure', 1n],
      ['EL1 and EL2 Secure', 0n],
    ] as const)('one range, one execute-never bit, no user: %s', async ([, scrEl3], context) => {
      await needs('EL3', context);
      const image = new HandmadeTables({ ...el3, scrEl3 })
        .map(0x5000n, FAR, OPEN)
        .map(0x6000n, FAR, OPEN | Bit.ReadOnly)
        .map(0x7000n, NEAR, OPEN | Bit.UXN)
        .map(0x20_0000n, NEAR, OPEN, 2)
        .map(0x80_0000_0000n, FAR, OPEN, 3, Bit.ReadOnlyTable | Bit.UXNTable)
        .map(0x100_0000_0000n, FAR, OPEN & ~Bit.AF);
      await check(image, [
        ...SUPERVISOR.map((kind) => lands(kind, 0x5000n, FAR)),
        lands('rs', 0x6000n, FAR),
        lands('xs', 0x6000n, FAR),
        faults('ws', 0x6000n, Status.Permission, 3),
        lands('ws', 0x7000n, NEAR),
        faults('xs', 0x7000n, Status.Permission, 3),
        ...SUPERVISOR.map((kind) => lands(kind, 0x20_0ff0n, NEAR + 0xff0n)),
        lands('rs', 0x80_0000_0000n, FAR),
        faults('ws', 0x80_0000_0000n, Status.Permission, 3),
        faults('xs', 0x80_0000_0000n, Status.Permission, 3),
        ...faultsAll(SUPERVISOR, 0x100_0000_0000n, Status.AccessFlag, 3),
        ...faultsAll(SUPERVISOR, 0x8000n, Status.Translation, 3),
        ...faultsAll(SUPERVISOR, 0x180_0000_0000n, Status.Translation, 0),
        ...faultsAll(SUPERVISOR, 0x1_0000_0000_0000n, Status.Translation, 0),
        ...faultsAll(SUPERVISOR, 0xffff_ffff_ffff_f000n, Status.Translation, 0),
      ]);
      const machine = await subject.loaded(image);
      const { outcomes, remarks } = await probe(machine, [lands('ru', 0x5000n, FAR)]);
      expect(outcomes.known[0]).toBe(0);
      expect(remarks.get(0)).toMatch(/no user accesses/);
    });

    test('with WXN what can be written cannot be executed', async (context) => {
      await needs('EL3', context);
      const image = new HandmadeTables({ ...el3, sctlr: SCTLR_WXN })
        .map(0x5000n, FAR, OPEN)
        .map(0x6000n, FAR, OPEN | Bit.ReadOnly);
      await check(image, [
        lands('ws', 0x5000n, FAR),
        faults('xs', 0x5000n, Status.Permission, 3),
        lands('xs', 0x6000n, FAR),
      ]);
    });

    test.for([
      [24, 0],
      [25, 1],
      [32, 1],
      [33, 1],
      [34, 2],
      [39, 2],
    ] as const)(
      'T0SZ %i: every entry of the root answers for itself, all in use and none',
      async ([t0sz, level], context) => {
        await needs('EL3', context);
        const entrySize = 1n << BigInt(12 + 9 * (3 - level));
        const count = (1n << BigInt(64 - t0sz)) / entrySize;
        const slots = Array.from({ length: Number(count) }, (_, slot) => BigInt(slot) * entrySize);
        const full = new HandmadeTables({ ...el3, t0sz, tableLimit: 600 });
        for (const address of slots) full.map(address, address & -entrySize, OPEN, Math.max(level, 1));
        await check(
          full,
          slots.flatMap((address) =>
            SUPERVISOR.map((kind) => lands(kind, address + 0x7000n, address + 0x7000n)),
          ),
        );
        await check(
          new HandmadeTables({ ...el3, t0sz }),
          slots.flatMap((address) => faultsAll(SUPERVISOR, address, Status.Translation, level)),
        );
      },
    );

    test('hardware updates of a root entry come back, that of the stub does not', async (context) => {
      await needs('EL3', context);
      await needs('HAFDBS', context);
      const image = new HandmadeTables({ ...el3, t0sz: 32, tcr: TcrEl2.HA | TcrEl2.HD });
      const attributes = (OPEN & ~Bit.AF) | Bit.DBM | Bit.ReadOnly;
      for (let slot = 0n; slot < 4n; slot++) image.map(slot << 30n, slot << 30n, attributes, 1);
      const machine = await subject.loaded(image);
      await expectOutcomes(machine, image, [lands('rs', 0n, 0n), lands('ws', 0xc000_0000n, 0xc000_0000n)]);
      const after = await machine.readBack();
      const root = image.registers.ttbr0;
      expect(after.readEntry(root)).toBe(image.get(root) | Bit.AF);
      expect(after.readEntry(root + 8n)).toBe(image.get(root + 8n));
      expect(after.readEntry(root + 24n)).toBe((image.get(root + 24n) | Bit.AF) & ~Bit.ReadOnly);
    });

    test('an address space without a place for the stub where memory is free is refused, unless it needs none', async (context) => {
      await needs('EL3', context);
      const image = new HandmadeTables({ ...el3, t0sz: 39, base: 0n, tableLimit: 0x2_0000 });
      const machine = await subject.open();
      try {
        await machine.load(image);
      } catch (error) {
        expect(error).toMatchObject({ code: 'unfit' });
        return;
      }
      await expectOutcomes(machine, image, faultsAll(SUPERVISOR, 0x5000n, Status.Translation, 2));
      await machine.close();
    });
  });

  describe('AArch64: EL2&0', () => {
    const host = { exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE } as const;
    const upper = (address: bigint) => 0xffff_0000_0000_0000n + address;

    test('both halves, with an EL0 and two execute-never bits', async (context) => {
      await needs('EL2&0', context);
      const image = new HandmadeTables(host);
      const rows: Row[] = [];
      for (const place of [(address: bigint) => address, upper]) {
        const at = (index: bigint) => place(index << 12n);
        image
          .map(at(1n), FAR, NORMAL)
          .map(at(2n), FAR, NORMAL | Bit.User)
          .map(at(3n), FAR, NORMAL | Bit.User | Bit.ReadOnly | Bit.PXN)
          .map(at(4n), NEAR, NORMAL | Bit.ReadOnly | Bit.UXN)
          .map(at(5n), NEAR, NORMAL & ~Bit.AF);
        rows.push(
          ...SUPERVISOR.map((kind) => lands(kind, at(1n), FAR)),
          ...faultsAll(['ru', 'wu'], at(1n), Status.Permission, 3),
          ...(['rs', 'ws', 'ru', 'wu', 'xu'] as const).map((kind) => lands(kind, at(2n), FAR)),
          faults('xs', at(2n), Status.Permission, 3),
          ...(['rs', 'ru', 'xu'] as const).map((kind) => lands(kind, at(3n), FAR)),
          ...faultsAll(['ws', 'wu', 'xs'], at(3n), Status.Permission, 3),
          ...(['rs', 'xs'] as const).map((kind) => lands(kind, at(4n), NEAR)),
          ...faultsAll(['ws', 'ru', 'wu', 'xu'], at(4n), Status.Permission, 3),
          ...faultsAll(ALL, at(5n), Status.AccessFlag, 3),
          ...faultsAll(ALL, at(6n), Status.Translation, 3),
          ...faultsAll(ALL, at(0x4_0000n), Status.Translation, 1),
        );
      }
      await check(image, [...rows, ...faultsAll(ALL, 0x1_0000_0000_0000n, Status.Translation, 0)]);
    });

    test('without TGE no user accesses belong to it', async (context) => {
      await needs('EL2&0', context);
      const image = new HandmadeTables({ ...host, hcrEl2: Hcr.E2H }).map(0x5000n, FAR, OPEN);
      const machine = await subject.loaded(image);
      await expectOutcomes(machine, image, [
        lands('rs', 0x5000n, FAR),
        lands('ws', 0x5000n, FAR),
        faults('xs', 0x5000n, Status.Permission, 3),
      ]);
      const { outcomes, remarks } = await probe(machine, [lands('ru', 0x5000n, FAR)]);
      expect(outcomes.known[0]).toBe(0);
      expect(remarks.get(0)).toMatch(/no user accesses/);
    });

    test('of EL0 there is no AT: what only AT could answer stays open', async (context) => {
      await needs('EL2&0', context);
      const image = new HandmadeTables(host).map(0x5000n, FAR, OPEN);
      const machine = await subject.loaded(image);
      const rows = (['rs', 'ru'] as const).map((kind) =>
        row(kind, 0x5000n, { physical: FAR }, AccessFlag.TranslateOnly),
      );
      const { outcomes, remarks } = await probe(machine, rows);
      expect(outcomes.physicalAddress[0]).toBe(Number(FAR));
      expect(outcomes.known[1]).toBe(0);
      expect(remarks.get(1)).toMatch(/no AT/);
    });

    test('on a processor without FEAT_VHE E2H means nothing', async (context) => {
      await needs('EL2&0', context);
      const { memory, registers } = new HandmadeTables({
        exceptionLevel: 2,
        cpu: 'cortex-a72',
        outputBits: 44,
      }).map(0x5000n, NEAR, OPEN);
      const image = { memory, registers: { ...registers, hcrEl2: Hcr.E2H } };
      const machine = await subject.open();
      await machine.load(image);
      await expectOutcomes(
        machine,
        image,
        SUPERVISOR.map((kind) => lands(kind, 0x5000n, NEAR)),
      );
      await machine.close();
    });
  });

  describe('AArch64: pages of 16 and 64 KiB', () => {
    const regimes: readonly (readonly [string, string, TableOptions])[] = [
      ['EL1&0', 'EL1&0', {}],
      ['EL2', 'EL2', { exceptionLevel: 2 }],
      ['EL3', 'EL3', { exceptionLevel: 3 }],
      ['EL2&0', 'EL2&0', { exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE }],
    ];
    const granules = [14, 16] as const;
    const cases = regimes.flatMap(([name, feature, options]) =>
      granules.map((pageShift) => [name, 2 ** (pageShift - 10), pageShift, feature, options] as const),
    );

    test.for(cases)(
      '%s, %i KiB: pages and blocks translate, holes fault at their level',
      async ([, kibibytes, pageShift, feature, options], context) => {
        await needs(feature, context);
        await needs(`${kibibytes}K`, context);
        const hasHalves = feature.endsWith('0');
        const page = 1n << BigInt(pageShift);
        const block = 1n << BigInt(2 * pageShift - 3);
        const [far, farBlock] = [FAR & -page, FAR & -block];
        const top = pageShift === 14 ? 0n : 1n << 47n;
        const image = new HandmadeTables({ ...options, pageShift })
          .map(top + 5n * page, far, OPEN | Bit.ReadOnly)
          .map(top + 6n * page, NEAR, OPEN | Bit.UXN)
          .map(top + 2n * block, farBlock, OPEN | Bit.ReadOnly, 2);
        const rows = [
          ...(['rs', 'xs'] as const).map((kind) => lands(kind, top + 6n * page - 16n, far + page - 16n)),
          faults('ws', top + 5n * page, Status.Permission, 3),
          lands('ws', top + 6n * page, NEAR),
          faults('xs', top + 6n * page, Status.Permission, 3),
          lands('rs', top + 3n * block - 16n, farBlock + block - 16n),
          faults('ws', top + 2n * block, Status.Permission, 2),
          ...faultsAll(SUPERVISOR, top + 7n * page, Status.Translation, 3),
          ...faultsAll(SUPERVISOR, top + 3n * block, Status.Translation, 2),
          ...faultsAll(SUPERVISOR, 1n << 46n, Status.Translation, 1),
        ];
        if (hasHalves) {
          image.map(LAST_PAGE & -page, NEAR, NORMAL);
          rows.push(
            lands('ru', top + 5n * page, far),
            lands('xu', top + 2n * block, farBlock),
            faults('wu', top + 5n * page, Status.Permission, 3),
            faults('xu', top + 6n * page, Status.Permission, 3),
            lands('ws', (LAST_PAGE & -page) + page - 16n, NEAR + page - 16n),
            ...faultsAll(ALL, LAST_PAGE - page, Status.Translation, 3),
          );
        }
        await check(image, rows);
      },
    );

    test.for(granules)(
      'one range with pages of 2^%i bytes: where the stub is, probes are made from elsewhere',
      async (pageShift, context) => {
        await needs('EL3', context);
        for (const exceptionLevel of [2, 3] as const) {
          const t0sz = 28;
          const image = new HandmadeTables({ exceptionLevel, pageShift, t0sz });
          const rootShift = pageShift === 14 ? 25 : 29;
          const count = 2 ** (36 - rootShift);
          for (let slot = 0; slot < count; slot++) {
            const address = BigInt(slot) << BigInt(rootShift);
            image.map(address, address, OPEN, 2);
          }
          const rows: Row[] = [];
          for (let slot = 0; slot < count; slot += slot < 4 || slot > count - 5 ? 1 : 61) {
            const address = (BigInt(slot) << BigInt(rootShift)) + 0x7_7770n;
            rows.push(...SUPERVISOR.map((kind) => lands(kind, address, address)));
          }
          await check(image, rows);
        }
      },
    );
  });
}

import { describe, expect, test } from 'vitest';
import { AccessFlag } from '../../src/access-list.ts';
import { ALL, FAR, faults, faultsAll, lands, NEAR, NORMAL, row, Status, SUPERVISOR } from './aarch64-rows.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, Hcr, type TableOptions } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';

const LAST_PAGE = 0xffff_ffff_ffff_0000n;

/** What machines promise of EL2&0 and of pages of 16 and 64 KiB, by images that are written entry by entry. */
export function describeAArch64RegimesContract(subject: MachineUnderTest): void {
  const { check, needs } = aarch64Subject(subject);
  const OPEN = NORMAL | Bit.User;

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

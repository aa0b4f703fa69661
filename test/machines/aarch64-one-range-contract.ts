import { describe, expect, test } from 'vitest';
import { FAR, faults, faultsAll, lands, NEAR, NORMAL, Status, SUPERVISOR } from './aarch64-rows.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, SCTLR_WXN, TcrEl2 } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, expectOutcomesOrUnfit, probe } from './expectations.ts';

/** The regimes of one range, each with the states of what is below it under which its tables must hold. */
const REGIMES: readonly (readonly [string, 2 | 3, readonly (readonly [string, bigint | undefined])[]])[] = [
  ['EL2', 2, [['SCR_EL3 not given', undefined]]],
  [
    'EL3',
    3,
    [
      ['EL1 and EL2 Non-secure', 1n],
      ['EL1 and EL2 Secure', 0n],
    ],
  ],
];

/** What machines promise of EL2 and EL3: one range of addresses, one execute-never bit, no EL0. */
export function describeAArch64OneRangeContract(subject: MachineUnderTest): void {
  const { check, needs } = aarch64Subject(subject);
  const OPEN = NORMAL | Bit.User;

  describe.each(REGIMES)('AArch64: %s', (name, exceptionLevel, states) => {
    test.for(states)('one range, one execute-never bit, no user: %s', async ([, scrEl3], context) => {
      await needs(name, context);
      const image = new HandmadeTables({ exceptionLevel, ...(scrEl3 !== undefined && { scrEl3 }) })
        .map(0x5000n, FAR, OPEN)
        .map(0x6000n, FAR, OPEN | Bit.ReadOnly)
        .map(0x7000n, NEAR, OPEN | Bit.UXN)
        .map(0x20_0000n, NEAR, OPEN | Bit.PXN, 2)
        .map(0x40_0000n, NEAR, OPEN, 2)
        .map(0x80_0000_0000n, FAR, OPEN, 3, Bit.ReadOnlyTable | Bit.UXNTable)
        .map(0x100_0000_0000n, FAR, OPEN & ~Bit.AF);
      await check(image, [
        ...SUPERVISOR.map((kind) => lands(kind, 0x5000n, FAR)),
        lands('rs', 0x6000n, FAR),
        lands('xs', 0x6000n, FAR),
        faults('ws', 0x6000n, Status.Permission, 3),
        lands('ws', 0x7000n, NEAR),
        faults('xs', 0x7000n, Status.Permission, 3),
        lands('xs', 0x20_0000n, NEAR),
        ...SUPERVISOR.map((kind) => lands(kind, 0x40_0ff0n, NEAR + 0xff0n)),
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
      await needs(name, context);
      const image = new HandmadeTables({ exceptionLevel, sctlr: SCTLR_WXN })
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
        await needs(name, context);
        const entrySize = 1n << BigInt(12 + 9 * (3 - level));
        const count = (1n << BigInt(64 - t0sz)) / entrySize;
        const slots = Array.from({ length: Number(count) }, (_, slot) => BigInt(slot) * entrySize);
        const full = new HandmadeTables({ exceptionLevel, t0sz, tableLimit: 600 });
        for (const address of slots) full.map(address, address & -entrySize, OPEN, Math.max(level, 1));
        await check(
          full,
          slots.flatMap((address) =>
            SUPERVISOR.map((kind) => lands(kind, address + 0x7000n, address + 0x7000n)),
          ),
        );
        await check(
          new HandmadeTables({ exceptionLevel, t0sz }),
          slots.flatMap((address) => faultsAll(SUPERVISOR, address, Status.Translation, level)),
        );
      },
    );

    test('hardware updates of a root entry come back, that of the stub does not', async (context) => {
      await needs(name, context);
      await needs('HAFDBS', context);
      const image = new HandmadeTables({ exceptionLevel, t0sz: 32, tcr: TcrEl2.HA | TcrEl2.HD });
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
      await needs(name, context);
      const image = new HandmadeTables({ exceptionLevel, t0sz: 39, base: 0n, tableLimit: 0x2_0000 });
      await expectOutcomesOrUnfit(
        await subject.open(),
        image,
        faultsAll(SUPERVISOR, 0x5000n, Status.Translation, 2),
      );
    });
  });
}

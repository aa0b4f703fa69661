import { describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { ALL, FAR, faults, faultsAll, lands, NEAR, NORMAL, Status, SUPERVISOR } from './aarch64-rows.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, SCTLR_EE, Tcr } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, expectOutcomesOrUnfit, probe, type Row } from './expectations.ts';

/** What AArch64 machines promise around the tables: the stub is never met, nothing else changes, many probes, many images. */
export function describeAArch64StubContract(subject: MachineUnderTest): void {
  const { check, needs } = aarch64Subject(subject);

  describe('AArch64: what is under test stays what it was', () => {
    test('probes of the tables themselves change nothing', async () => {
      const image = new HandmadeTables({ tableLimit: 8 }).map(
        0x4000_0000n,
        0x4000_0000n,
        NORMAL | Bit.User | Bit.PXN,
        1,
      );
      const before = image.memory.ranges[0]?.words.slice();
      const machine = await subject.loaded(image);
      const rows: Row[] = [];
      for (let address = 0x4000_0000n; address < 0x4000_8000n; address += 0x10n) {
        rows.push(...(['rs', 'ws', 'ru', 'wu'] as const).map((kind) => lands(kind, address, address)));
      }
      await expectOutcomes(machine, image, rows);
      expect((await machine.readBack()).ranges[0]?.words).toEqual(before);
      expect(image.memory.ranges[0]?.words).toEqual(before);
    });

    test('a fetch from the image is made where its content is harmless, and else not', async () => {
      const image = new HandmadeTables({ tableLimit: 8 })
        .map(0x4000_0000n, 0x4000_0000n, NORMAL | Bit.ReadOnly | Bit.User, 1)
        .set(0x4000_7000n, 0xd400_0003_d65f_03c0n) // ret; smc #0
        .set(0x4000_7010n, 0x1234_5678_0000_0703n);
      const machine = await subject.loaded(image);
      const rows = ALL.map((kind) => lands(kind, 0x4000_7010n, 0x4000_7010n)).filter(
        ({ access }) => access === Access.Execute,
      );
      await expectOutcomes(machine, image, rows);
      const refused = rows.map((made) => ({ ...made, address: 0x4000_7000n }));
      const { outcomes, remarks } = await probe(machine, refused);
      expect([...outcomes.known]).toEqual([0, 0]);
      expect(remarks.get(0)).toMatch(/0xd65f03c0 .* not harmless/);
    });

    test('with HA and HD an access sets AF, a write makes writable what may be, and nothing else changes', async (context) => {
      await needs('HAFDBS', context);
      const attributes = (NORMAL & ~Bit.AF) | Bit.User | Bit.ReadOnly;
      const image = new HandmadeTables({ tcr: Tcr.HA | Tcr.HD })
        .map(0x5000n, FAR, attributes | Bit.DBM)
        .map(0x6000n, FAR, attributes | Bit.DBM)
        .map(0x7000n, FAR, attributes)
        .map(0x8000n, FAR, attributes | Bit.DBM);
      const machine = await subject.loaded(image);
      await expectOutcomes(machine, image, [
        lands('ru', 0x5000n, FAR),
        lands('wu', 0x6000n, FAR),
        faults('wu', 0x7000n, Status.Permission, 3),
      ]);
      const after = await machine.readBack();
      const entry = (address: bigint) => {
        const place = image.entryAddress(address, 3);
        return ((after.readEntry(place) ?? 0n) ^ image.get(place)) & ~Bit.AF;
      };
      const accessed = (address: bigint) =>
        ((after.readEntry(image.entryAddress(address, 3)) ?? 0n) & Bit.AF) !== 0n;
      expect([0x5000n, 0x6000n, 0x7000n, 0x8000n].map(entry)).toEqual([0n, Bit.ReadOnly, 0n, 0n]);
      expect([0x5000n, 0x6000n, 0x8000n].map(accessed)).toEqual([true, true, false]);
    });
  });

  describe('AArch64: the stub is never met', () => {
    test('an identity map reaches all of the first GiB, wherever the stub lies', async () => {
      const image = new HandmadeTables()
        .map(0n, 0n, NORMAL, 1)
        .map(0xffff_0000_0000_0000n, 0n, NORMAL | Bit.User | Bit.ReadOnly, 1);
      const rows: Row[] = [];
      for (let address = 0n; address < 0x80_0000n; address += 0x1_f010n) {
        rows.push(...SUPERVISOR.map((kind) => lands(kind, address, address)));
        rows.push(
          ...(['rs', 'xs', 'ru', 'xu'] as const).map((kind) =>
            lands(kind, 0xffff_0000_0000_0000n + address, address),
          ),
        );
      }
      await check(image, rows);
    });

    test('no address is the stub’s: an empty address space is empty everywhere', async () => {
      const rows: Row[] = [];
      for (let slot = 0n; slot < 512n; slot++) {
        rows.push(...faultsAll(ALL, slot << 30n, Status.Translation, 0));
        rows.push(...faultsAll(ALL, 0xffff_ff80_0000_0000n + (slot << 30n), Status.Translation, 0));
      }
      await check(new HandmadeTables(), rows);
    });
  });

  describe('AArch64: many', () => {
    test('more probes than one batch holds come back in order', async () => {
      const image = new HandmadeTables().map(0n, FAR & -0x4000_0000n, NORMAL, 1);
      const count = 40_001;
      const accesses = new AccessList(count);
      const physical = Number(FAR & -0x4000_0000n);
      const offset = (index: number) => (index * 0x1000 + (index & 0xff) * 16) % 2 ** 30;
      for (let index = 0; index < count; index++) {
        accesses.set(
          index,
          offset(index),
          index % 3 === 0 ? 0xffff_0000 : 0,
          Access.Read,
          Privilege.Supervisor,
        );
      }
      const machine = await subject.loaded(image);
      const { outcomes, guestSeconds } = await machine.probe({
        accesses,
        expectedFrames: new Float64Array(count).fill(-1),
      });
      for (let index = 0; index < count; index++) {
        const isUpper = index % 3 === 0;
        expect(outcomes.fault[index] !== 0).toBe(isUpper);
        expect(outcomes.physicalAddress[index]).toBe(isUpper ? -1 : physical + offset(index));
      }
      expect(guestSeconds > 0 || Number.isNaN(guestSeconds)).toBe(true);
    });

    test('many lists of probes and many images in one machine', async () => {
      for (let round = 0n; round < 6n; round++) {
        const base = 0x20_0000n * (1n + (round % 3n)) + 0x1000n * round;
        const image = new HandmadeTables({ base, tableLimit: 16 }).map(
          0x5000n,
          FAR + round * 0x1000n,
          NORMAL | (round % 2n === 0n ? 0n : Bit.ReadOnly),
        );
        for (let repeat = 0; repeat < 3; repeat++) {
          await check(image, [
            lands('rs', 0x5000n, FAR + round * 0x1000n),
            round % 2n === 0n
              ? lands('ws', 0x5000n, FAR + round * 0x1000n)
              : faults('ws', 0x5000n, Status.Permission, 3),
          ]);
        }
      }
    });

    test('an empty list of probes has no outcomes', async () => {
      const machine = await subject.loaded(new HandmadeTables());
      expect((await probe(machine, [])).outcomes.length).toBe(0);
    });

    test('an address need not be that of a slot', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, NORMAL).map(0x6000n, FAR, NORMAL | Bit.ReadOnly);
      await check(image, [
        ...SUPERVISOR.map((kind) => lands(kind, 0x5ffdn, NEAR + 0xffdn)),
        lands('xu', 0x6123n, FAR + 0x123n),
        faults('ws', 0x6fffn, Status.Permission, 3),
        ...faultsAll(ALL, 0x7009n, Status.Translation, 3),
      ]);
    });

    test('a completed access that nobody expected is reported, not believed', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, NORMAL).map(0x6000n, FAR, NORMAL);
      const machine = await subject.loaded(image);
      const rows = [lands('rs', 0x5000n, NEAR), lands('ws', 0x6000n, FAR), lands('xs', 0x5000n, NEAR)];
      const { outcomes } = await probe(machine, rows, false);
      expect([...outcomes.fault]).toEqual([0, 0, 0]);
      expect([...outcomes.physicalAddress]).toEqual([Number(NEAR), Number(FAR), Number(NEAR)]);
    });
  });

  describe('AArch64: images that do not fit', () => {
    const unfit = async (machine: Machine, image: HandmadeTables, message: RegExp) => {
      await expect(machine.load(image)).rejects.toMatchObject({ name: 'MachineError', code: 'unfit' });
      await expect(machine.load(image)).rejects.toThrow(message);
    };

    test('registers under which nothing can run are refused by name', async () => {
      const machine = await subject.open();
      const image = new HandmadeTables();
      const off = Object.assign(new HandmadeTables(), {
        registers: { ...image.registers, sctlr: image.registers.sctlr & ~1n },
      });
      await unfit(machine, off, /sctlr .*MMU is off/);
      await unfit(machine, new HandmadeTables({ sctlr: SCTLR_EE }), /sctlr .*big-endian/);
    });

    test.each([
      ['4 GiB', 0x1_0000_0000n],
      ['1 TiB', 0x100_0000_0000n],
    ])('tables above %s are walked, or refused', async (_, base) => {
      const image = new HandmadeTables({ base }).map(0x5000n, FAR, NORMAL);
      await expectOutcomesOrUnfit(await subject.open(), image, [lands('rs', 0x5000n, FAR)]);
    });

    test('a closed machine runs nothing and may be closed again', async () => {
      const machine = await subject.open();
      await machine.load(new HandmadeTables());
      await machine.close();
      await machine.close();
      await expect(probe(machine, [lands('rs', 0x5000n, FAR)])).rejects.toMatchObject({ code: 'failed' });
    });
  });
}

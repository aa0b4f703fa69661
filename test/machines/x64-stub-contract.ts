import { describe, expect, test } from 'vitest';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { Known } from '../../src/outcome-list.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, expectOutcomesOrUnfit, probe, type Row } from './expectations.ts';
import { ALL, Code, FAR, FAR_GIB, faults, lands, NEAR } from './x64-rows.ts';
import { Bit, Control, HandmadeTables, key } from './x64-tables.ts';

const { P, W, U } = Bit;

/** What x64 machines promise of their stub: it is never met, and serves any number of probes and images. */
export function describeX64StubContract(subject: MachineUnderTest): void {
  const check = async (image: HandmadeTables, rows: readonly Row[]) =>
    expectOutcomes(await subject.loaded(image), image, rows);

  describe('x64: the stub is never met', () => {
    test('every top-level slot and every low physical page answers as the tables say, empty or in use', async () => {
      const image = new HandmadeTables({ tableLimit: 1100 });
      const rows: Row[] = [];
      for (let slot = 0n; slot < 512n; slot++) {
        const address = BigInt.asUintN(64, BigInt.asIntN(48, slot << 39n));
        image.map(address, FAR_GIB, P | W | U, 3);
        rows.push(...ALL.map((kind) => lands(kind, address + slot * 0x1000n, FAR_GIB + slot * 0x1000n)));
        rows.push(faults('rs', address + 0x8000_0000n, 0), faults('xu', address + 0x10_0000_0000n, 0));
      }
      await check(image, rows);
      await check(
        new HandmadeTables(),
        Array.from({ length: 512 }, (_, slot) =>
          faults('rs', BigInt.asUintN(64, BigInt.asIntN(48, BigInt(slot) << 39n)), 0),
        ),
      );
    });

    test('an identity map reaches all of the first GiB, wherever the stub lies', async () => {
      const image = new HandmadeTables().map(0n, 0n, P | W | U, 3);
      const rows: Row[] = [];
      for (let address = 0x40_0000n; address < 0x300_0000n; address += 0x8_1000n) {
        rows.push(...ALL.map((kind) => lands(kind, address, address)));
      }
      await check(image, rows);
    });

    test('no device answers: the local APIC, the firmware flash and the VGA window are memory that is not there', async () => {
      const image = new HandmadeTables().map(0n, 0n, P | W | U, 3);
      for (let gib = 1n; gib < 4n; gib++) image.map(gib << 30n, gib << 30n, P | W | U, 3);
      await check(
        image,
        [0xfee0_0000n, 0xfec0_0000n, 0xffff_f000n, 0xfed0_0000n, 0xa_0000n, 0xe000_0000n].flatMap((address) =>
          ALL.map((kind) => lands(kind, address, address)),
        ),
      );
    });
  });

  describe('x64: many', () => {
    test('more probes than one batch holds come back in order', async () => {
      const image = new HandmadeTables().map(0n, FAR_GIB, P | W, 3);
      const count = 70_001;
      const accesses = new AccessList(count);
      const expectedFrames = new Float64Array(count).fill(-1);
      const isUser = (index: number) => Math.floor(index / 2) % 2 === 1;
      const offset = (index: number) => (index * 0x1000 + (index & 0xff0)) % 2 ** 30;
      for (let index = 0; index < count; index++) {
        const access = index % 2 === 0 ? Access.Read : Access.Write;
        accesses.set(index, offset(index), 0, access, isUser(index) ? Privilege.User : Privilege.Supervisor);
        if (!isUser(index)) expectedFrames[index] = Math.floor((Number(FAR_GIB) + offset(index)) / 0x1000);
      }
      const machine = await subject.loaded(image);
      const { outcomes, guestSeconds } = await machine.probe({ accesses, expectedFrames });
      for (let index = 0; index < count; index++) {
        const known = outcomes.known[index] as number;
        const landed = outcomes.physicalAddress[index];
        if (
          (known & Known.Completion) === 0 ||
          (outcomes.fault[index] !== 0) !== isUser(index) ||
          (!isUser(index) &&
            (known & Known.PhysicalAddress) !== 0 &&
            landed !== Number(FAR_GIB) + offset(index))
        ) {
          expect.fail(`probe ${index}: known ${known}, fault ${outcomes.fault[index]}, at ${landed}`);
        }
      }
      expect(guestSeconds > 0 || Number.isNaN(guestSeconds)).toBe(true);
    });

    test('many lists of probes and many images in one machine', async () => {
      for (let round = 0n; round < 4n; round++) {
        const physical = FAR + round * 0x1000n;
        const image = new HandmadeTables().map(0x5000n, physical, P | (round % 2n === 0n ? W : 0n) | U);
        const machine = await subject.loaded(image);
        for (let repeat = 0; repeat < 10; repeat++) {
          await expectOutcomes(machine, image, [
            lands('ru', 0x5000n, physical),
            round % 2n === 0n ? lands('wu', 0x5000n, physical) : faults('wu', 0x5000n, Code.P),
          ]);
        }
      }
    });

    test('a write after a read of its page lands, or faults, on its own', async () => {
      const image = new HandmadeTables({ cr4: Control.SMAP | Control.PKE })
        .map(0x5000n, FAR, P | W | U)
        .map(0x6000n, FAR, P | U)
        .map(0x7000n, NEAR, P | W | U)
        .map(0x8000n, FAR, P | W | U | key(1n));
      const withAc = { flags: AccessFlag.AlignmentCheck };
      const withKey = { flags: AccessFlag.ProtectionKeys, pkru: 0b1000 };
      await check(image, [
        ...[lands('ru', 0x5000n, FAR), lands('wu', 0x5000n, FAR)],
        ...[lands('rs', 0x5000n, FAR, withAc), lands('ws', 0x5000n, FAR, withAc)],
        ...[faults('rs', 0x5000n, Code.P), faults('ws', 0x5000n, Code.P)],
        ...[lands('ru', 0x6000n, FAR), faults('wu', 0x6000n, Code.P)],
        ...[lands('ru', 0x7000n, NEAR), lands('wu', 0x7000n, NEAR)],
        ...[lands('ru', 0x8000n, FAR, withKey), faults('wu', 0x8000n, Code.P | Code.PK, withKey)],
      ]);
    });

    test('a write that does not land where it is announced is seen where it lands, or nowhere', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, P | W | U);
      const announced = [lands('ru', 0x5000n, FAR), lands('wu', 0x5000n, FAR)];
      const { outcomes } = await probe(await subject.loaded(image), announced);
      expect([Number(NEAR), -1]).toContain(outcomes.physicalAddress[1]);
      expect((outcomes.known[1] as number) & Known.Completion).not.toBe(0);
    });

    test('an empty list of probes has no outcomes', async () => {
      const machine = await subject.loaded(new HandmadeTables());
      const { outcomes } = await probe(machine, []);
      expect(outcomes.length).toBe(0);
    });

    test('a completed access that nobody expected is reported, not believed', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, P | W | U).map(0x6000n, FAR, P | W | U);
      const machine = await subject.loaded(image);
      const { outcomes } = await probe(
        machine,
        [lands('rs', 0x5000n, NEAR), lands('ws', 0x6000n, FAR)],
        false,
      );
      expect([...outcomes.fault]).toEqual([0, 0]);
    });
  });

  describe('x64: tables in far places', () => {
    test.each([
      ['4 GiB', 0x1_0000_0000n, 40],
      ['1 TiB', 0x100_0000_0000n, 42],
    ])('tables above %s', async (_, base, physicalAddressBits) => {
      const image = new HandmadeTables({ base, tableLimit: 16, physicalAddressBits }).map(
        0x5000n,
        FAR,
        P | W | U,
      );
      await expectOutcomesOrUnfit(await subject.open(), image, [
        ...ALL.map((kind) => lands(kind, 0x5000n, FAR)),
        faults('rs', 0x6000n, 0),
      ]);
    });

    test('a CR3 that leads nowhere, and registers without paging, are unfit', async () => {
      const machine = await subject.open();
      const image = new HandmadeTables();
      const nowhere = { memory: image.memory, registers: { ...image.registers, cr3: 0x4000_0000n } };
      await expect(machine.load(nowhere)).rejects.toMatchObject({ name: 'MachineError', code: 'unfit' });
      const unpaged = { memory: image.memory, registers: { ...image.registers, cr0: 0x11n } };
      await expect(machine.load(unpaged)).rejects.toMatchObject({ name: 'MachineError', code: 'unfit' });
    });
  });
}

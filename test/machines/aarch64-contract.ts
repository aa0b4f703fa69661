import { describe, expect, type TestContext, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { Known, StructuralFault } from '../../src/outcome-list.ts';
import {
  ALL,
  FAR,
  faults,
  faultsAll,
  type Kind,
  lands,
  NEAR,
  NORMAL,
  row,
  Status,
  SUPERVISOR,
} from './aarch64-rows.ts';
import { Bit, HandmadeTables, Index, SCTLR_EE, SCTLR_WXN, Tcr, TcrEl2 } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';

/** What AArch64 machines promise, by images that are written entry by entry. */
export function describeAArch64Contract(subject: MachineUnderTest): void {
  const check = async (image: HandmadeTables, rows: readonly Row[]) =>
    expectOutcomes(await subject.loaded(image), image, rows);
  /** A machine without a feature of the architecture says so, and is not asked for it. */
  const needs = async (feature: string, { skip }: TestContext): Promise<void> => {
    const { capabilities } = await subject.loaded(new HandmadeTables());
    skip(!capabilities.features.includes(feature), `this machine has no ${feature}`);
  };

  describe('AArch64 EL1&0: translation', () => {
    test.each([1, 2, 3])(
      'a leaf of level %i translates every access to its output address, with its memory type',
      async (level) => {
        const size = 1n << BigInt(12 + 9 * (3 - level));
        const [near, far] = [NEAR & -size, FAR & -size];
        const image = new HandmadeTables()
          .map(0x80_4000_0000n, near, NORMAL)
          .map(0x100_4000_0000n, far, NORMAL | Bit.User | Bit.ReadOnly, level)
          .map(0x180_4000_0000n, far, NORMAL | Bit.User | Bit.PXN, level);
        const last = size - 16n;
        await check(image, [
          lands('rs', 0x80_4000_0000n, near),
          lands('ws', 0x80_4000_0ff0n, near + 0xff0n),
          lands('xs', 0x80_4000_0010n, near + 0x10n),
          lands('xu', 0x80_4000_0000n, near),
          ...(['rs', 'xs', 'ru', 'xu'] as const).map((kind) =>
            lands(kind, 0x100_4000_0000n + last, far + last),
          ),
          ...(['rs', 'ws', 'ru', 'wu', 'xu'] as const).map((kind) =>
            lands(kind, 0x180_4000_0000n + last, far + last),
          ),
        ]);
      },
    );

    test('an entry that is not valid faults at its level', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, NORMAL);
      await check(image, [
        ...faultsAll(ALL, 0x6000n, Status.Translation, 3),
        ...faultsAll(ALL, 0x20_0000n, Status.Translation, 2),
        ...faultsAll(ALL, 0x4000_0000n, Status.Translation, 1),
        ...faultsAll(ALL, 0x80_0000_0000n, Status.Translation, 0),
      ]);
    });

    test('a block descriptor at level 3 is reserved', async () => {
      const image = new HandmadeTables();
      image.set(image.entryAddress(0x5000n, 3), FAR | NORMAL | Bit.Valid);
      await check(image, faultsAll(ALL, 0x5000n, Status.Translation, 3));
    });

    test('the smallest address spaces start at the level that they need, and end where they must', async () => {
      for (const [t0sz, level] of [
        [16, 0],
        [20, 0],
        [24, 0],
        [25, 1],
        [32, 1],
        [33, 1],
        [34, 2],
      ] as const) {
        const end = 1n << BigInt(64 - t0sz);
        const image = new HandmadeTables({ t0sz }).map(end - 0x1000n, FAR, NORMAL);
        await check(image, [
          lands('rs', end - 0x10n, FAR + 0xff0n),
          ...faultsAll(ALL, end, Status.Translation, 0),
          ...faultsAll(ALL, 0x5000n, Status.Translation, level),
        ]);
      }
    });

    test('both halves are translated by their own tables, up to their last byte', async () => {
      const last = 0xffff_ffff_ffff_f000n;
      const image = new HandmadeTables({ t1sz: 25 })
        .map(0x5000n, NEAR, NORMAL)
        .map(last, FAR, NORMAL)
        .map(0xffff_ff80_0000_0000n, FAR, NORMAL);
      await check(image, [
        lands('ws', 0x5000n, NEAR),
        lands('ws', last + 0xff0n, FAR + 0xff0n),
        lands('rs', 0xffff_ff80_0000_0000n, FAR),
        lands('xs', 0x5ff0n, NEAR + 0xff0n),
        ...faultsAll(ALL, 0xffff_ff7f_ffff_f000n, Status.Translation, 0),
        ...faultsAll(ALL, 0x0000_ffff_ffff_f000n, Status.Translation, 0),
        ...faultsAll(ALL, 0x0080_0000_0000_0000n, Status.Translation, 0),
        ...faultsAll(ALL, 0xff7f_ffff_ffff_f000n, Status.Translation, 0),
      ]);
    });

    test('EPD0 and EPD1 switch off the walks of one half', async () => {
      for (const [tcr, dead, alive] of [
        [Tcr.EPD0, 0x5000n, 0xffff_0000_0000_5000n],
        [Tcr.EPD1, 0xffff_0000_0000_5000n, 0x5000n],
      ] as const) {
        const image = new HandmadeTables({ tcr }).map(dead, FAR, NORMAL).map(alive, FAR, NORMAL);
        await check(image, [...faultsAll(ALL, dead, Status.Translation, 0), lands('rs', alive, FAR)]);
      }
    });

    test('with TBI the top byte is not part of the address, without it is', async (context) => {
      await needs('TBI', context);
      const tagged = 0xa500_0000_0000_5000n;
      await check(new HandmadeTables({ tcr: Tcr.TBI0 }).map(0x5000n, FAR, NORMAL), [
        lands('rs', tagged, FAR),
        lands('ws', tagged, FAR),
        lands('xs', tagged, FAR),
      ]);
      await check(
        new HandmadeTables().map(0x5000n, FAR, NORMAL),
        (['rs', 'ws'] as const).map((kind) => faults(kind, tagged, Status.Translation, 0)),
      );
    });

    test('an output address beyond IPS is an address size fault, of leaf, table and root', async (context) => {
      await needs('IPS', context);
      const image = new HandmadeTables({ outputBits: 36 })
        .map(0x5000n, 1n << 36n, NORMAL)
        .map(0x20_0000n, 1n << 40n, NORMAL, 2)
        .map(0x6000n, (1n << 36n) - 0x1000n, NORMAL);
      image.set(image.entryAddress(0x80_0000_0000n, 0), (1n << 36n) | Bit.Valid | Bit.TableOrPage);
      await check(image, [
        ...faultsAll(ALL, 0x5000n, Status.AddressSize, 3),
        ...faultsAll(ALL, 0x20_0000n, Status.AddressSize, 2),
        ...faultsAll(ALL, 0x80_0000_0000n, Status.AddressSize, 0),
        lands('rs', 0x6000n, (1n << 36n) - 0x1000n),
      ]);
      const { memory, registers } = image;
      const farRoot = { memory, registers: { ...registers, ttbr0: 1n << 40n } };
      const machine = await subject.loaded(farRoot);
      await expectOutcomes(machine, farRoot, faultsAll(ALL, 0x5000n, Status.AddressSize, 0));
    });

    test('a table where no memory is: the walk leaves the memory, and says so', async () => {
      const image = new HandmadeTables();
      image.set(image.entryAddress(0x5000n, 1), FAR | Bit.Valid | Bit.TableOrPage);
      await check(
        image,
        ALL.map((kind) =>
          row(kind, 0x5000n, { fault: StructuralFault.TableOutsideMemory, faultAddress: 0x5000n }),
        ),
      );
    });
  });

  describe('AArch64 EL1&0: permissions', () => {
    /** What AP[2:1], UXN, PXN and SCTLR.WXN leave of each access (Arm ARM D8.4.1, D8.4.2). */
    function isAllowed(kind: Kind, ap: number, uxn: boolean, pxn: boolean, wxn: boolean): boolean {
      const user = (ap & 1) === 1;
      const writable = (ap & 2) === 0;
      switch (kind) {
        case 'rs':
          return true;
        case 'ws':
          return writable;
        case 'xs':
          return !pxn && !(user && writable) && !(wxn && writable);
        case 'ru':
          return user;
        case 'wu':
          return user && writable;
        case 'xu':
          return !uxn && !(wxn && user && writable);
      }
    }

    test.each([false, true])('AP, UXN and PXN in every combination, WXN %s', async (wxn) => {
      const image = new HandmadeTables({ sctlr: wxn ? SCTLR_WXN : 0n });
      const rows: Row[] = [];
      for (let bits = 0n; bits < 16n; bits++) {
        const [ap, uxn, pxn] = [bits & 3n, (bits >> 2n) & 1n, (bits >> 3n) & 1n];
        const attributes = NORMAL | (ap << 6n) | (uxn && Bit.UXN) | (pxn && Bit.PXN);
        for (const [address, physical] of [
          [0x10_0000n + bits * 0x1000n, FAR],
          [0x11_0000n + bits * 0x1000n, NEAR + bits * 0x1000n],
        ] as const) {
          image.map(address, physical, attributes);
          for (const kind of ALL) {
            const allowed = isAllowed(kind, Number(ap), uxn === 1n, pxn === 1n, wxn);
            rows.push(allowed ? lands(kind, address, physical) : faults(kind, address, Status.Permission, 3));
          }
        }
      }
      await check(image, rows);
    });

    test('what a table forbids stays forbidden below, at the level of the leaf', async () => {
      const open = NORMAL | Bit.User;
      const image = new HandmadeTables()
        .map(0x5000n, FAR, open, 3, Bit.ReadOnlyTable)
        .map(0x80_0000_0000n, FAR & -0x20_0000n, open, 2, Bit.NoUserTable)
        .map(0x100_0000_0000n, FAR, open | Bit.ReadOnly, 3, Bit.UXNTable)
        .map(0x180_0000_0000n, FAR, open | Bit.ReadOnly, 3, Bit.PXNTable);
      const block = FAR & -0x20_0000n;
      await check(image, [
        lands('ru', 0x5000n, FAR),
        faults('ws', 0x5000n, Status.Permission, 3),
        faults('wu', 0x5000n, Status.Permission, 3),
        lands('ws', 0x80_0000_0000n, block),
        faults('ru', 0x80_0000_0000n, Status.Permission, 2),
        lands('xu', 0x80_0000_0000n, block),
        faults('xu', 0x100_0000_0000n, Status.Permission, 3),
        lands('xs', 0x100_0000_0000n, FAR),
        faults('xs', 0x180_0000_0000n, Status.Permission, 3),
        lands('xu', 0x180_0000_0000n, FAR),
      ]);
    });

    test('with HPD0 tables forbid nothing', async (context) => {
      await needs('HPDS', context);
      const image = new HandmadeTables({ tcr: Tcr.HPD0 }).map(
        0x5000n,
        FAR,
        NORMAL | Bit.User | Bit.PXN,
        3,
        Bit.ReadOnlyTable | Bit.NoUserTable | Bit.UXNTable,
      );
      await check(
        image,
        (['rs', 'ws', 'ru', 'wu', 'xu'] as const).map((kind) => lands(kind, 0x5000n, FAR)),
      );
    });

    test('with E0PD0 the lower half is out of reach of EL0, as if nothing were there', async (context) => {
      await needs('E0PD', context);
      const image = new HandmadeTables({ tcr: Tcr.E0PD0 })
        .map(0x5000n, FAR, NORMAL | Bit.User | Bit.ReadOnly)
        .map(0xffff_0000_0000_5000n, FAR, NORMAL | Bit.User | Bit.ReadOnly);
      await check(image, [
        lands('rs', 0x5000n, FAR),
        ...faultsAll(['ru', 'wu', 'xu'], 0x5000n, Status.Translation, 0),
        lands('ru', 0xffff_0000_0000_5000n, FAR),
      ]);
    });

    test('a clear access flag faults at the level of the leaf, before its permissions do', async () => {
      const attributes = (NORMAL & ~Bit.AF) | Bit.UXN | Bit.PXN | Bit.ReadOnly;
      const image = new HandmadeTables()
        .map(0x5000n, FAR, attributes)
        .map(0x20_0000n, 0n, attributes, 2)
        .map(0x4000_0000n, 0n, attributes, 1);
      await check(image, [
        ...faultsAll(ALL, 0x5000n, Status.AccessFlag, 3),
        ...faultsAll(ALL, 0x20_0000n, Status.AccessFlag, 2),
        ...faultsAll(ALL, 0x4000_0000n, Status.AccessFlag, 1),
      ]);
    });
  });

  describe('AArch64: memory types', () => {
    test('the MAIR byte and the shareability are those of the leaf', async () => {
      const image = new HandmadeTables()
        .map(0x5000n, FAR, Index.WriteBack | Bit.AF)
        .map(0x6000n, FAR, Index.WriteBack | (2n << 8n) | Bit.AF)
        .map(0x7000n, FAR, Index.Device | Bit.AF | Bit.UXN | Bit.PXN)
        .map(0x20_0000n, 0n, Index.NonCacheable | Bit.InnerShareable | Bit.AF, 2);
      await check(image, [
        lands('rs', 0x5000n, FAR, 0x0ff),
        lands('ws', 0x6000n, FAR, 0x2ff),
        lands('rs', 0x7000n, FAR, 0x204),
        lands('ws', 0x7000n, FAR, 0x204),
        lands('rs', 0x20_0000n, 0n, 0x244),
      ]);
    });

    test('translate only: the same answer without the access', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, NORMAL | Bit.ReadOnly);
      const machine = await subject.loaded(image);
      const rows = (['rs', 'ws', 'ru'] as const).map((kind) =>
        row(kind, 0x5000n, { physical: FAR }, AccessFlag.TranslateOnly),
      );
      const { outcomes } = await probe(machine, rows);
      expect([...outcomes.fault].map((fault) => fault & 0x3f)).toEqual([0, 0x0f, 0x0f]);
      expect(outcomes.physicalAddress[0]).toBe(Number(FAR));
      expect((outcomes.known[1] as number) & Known.FaultAddress).toBe(0);
    });
  });

  describe('AArch64: EL2', () => {
    const el2 = { exceptionLevel: 2 } as const;
    const OPEN = NORMAL | Bit.User;

    test('one range, one execute-never bit, no user', async (context) => {
      await needs('EL2', context);
      const image = new HandmadeTables(el2)
        .map(0x5000n, FAR, OPEN)
        .map(0x6000n, FAR, OPEN | Bit.ReadOnly)
        .map(0x7000n, NEAR, OPEN | Bit.UXN)
        .map(0x20_0000n, NEAR, OPEN | Bit.PXN, 2);
      await check(image, [
        ...SUPERVISOR.map((kind) => lands(kind, 0x5000n, FAR)),
        lands('xs', 0x6000n, FAR),
        faults('ws', 0x6000n, Status.Permission, 3),
        lands('ws', 0x7000n, NEAR),
        faults('xs', 0x7000n, Status.Permission, 3),
        lands('xs', 0x20_0000n, NEAR),
        ...faultsAll(SUPERVISOR, 0x8000n, Status.Translation, 3),
        ...faultsAll(SUPERVISOR, 0x1_0000_0000_0000n, Status.Translation, 0),
        ...faultsAll(SUPERVISOR, 0xffff_ffff_ffff_f000n, Status.Translation, 0),
      ]);
      const machine = await subject.loaded(image);
      const { outcomes, remarks } = await probe(machine, [lands('ru', 0x5000n, FAR)]);
      expect(outcomes.known[0]).toBe(0);
      expect(remarks.get(0)).toMatch(/no user accesses/);
    });

    test.for([
      [24, 0],
      [25, 1],
      [32, 1],
      [33, 1],
      [34, 2],
    ] as const)(
      'T0SZ %i: every entry of the root answers for itself, all in use and none',
      async ([t0sz, level], context) => {
        await needs('EL2', context);
        const entrySize = 1n << BigInt(12 + 9 * (3 - level));
        const count = (1n << BigInt(64 - t0sz)) / entrySize;
        const slots = Array.from({ length: Number(count) }, (_, slot) => BigInt(slot) * entrySize);
        const full = new HandmadeTables({ ...el2, t0sz, tableLimit: 600 });
        for (const address of slots) full.map(address, address & -entrySize, OPEN, Math.max(level, 1));
        await check(
          full,
          slots.flatMap((address) =>
            SUPERVISOR.map((kind) => lands(kind, address + 0x7000n, address + 0x7000n)),
          ),
        );
        await check(
          new HandmadeTables({ ...el2, t0sz }),
          slots.flatMap((address) => faultsAll(SUPERVISOR, address, Status.Translation, level)),
        );
      },
    );

    test('hardware updates of a root entry come back, that of the stub does not', async (context) => {
      await needs('EL2', context);
      await needs('HAFDBS', context);
      const image = new HandmadeTables({ ...el2, t0sz: 32, tcr: TcrEl2.HA | TcrEl2.HD });
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
  });

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
      const machine = await subject.open();
      try {
        await machine.load(image);
      } catch (error) {
        expect(error).toMatchObject({ name: 'MachineError', code: 'unfit' });
        return;
      }
      await expectOutcomes(machine, image, [lands('rs', 0x5000n, FAR)]);
      await machine.close();
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

import { describe, expect, test } from 'vitest';
import { AccessFlag } from '../../src/access-list.ts';
import { Known, StructuralFault } from '../../src/outcome-list.ts';
import { ALL, FAR, faults, faultsAll, type Kind, lands, NEAR, NORMAL, row, Status } from './aarch64-rows.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, Index, SCTLR_WXN, Tcr } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';

/** What AArch64 machines promise of EL1&0 with pages of 4 KiB: translation, permissions and memory types. */
export function describeAArch64TranslationContract(subject: MachineUnderTest): void {
  const { check, needs } = aarch64Subject(subject);

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
}

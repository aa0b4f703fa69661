import { describe, expect, test } from 'vitest';
import { AccessFlag } from '../../src/access-list.ts';
import { x64Fault } from '../../src/outcome-list.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, type Row } from './expectations.ts';
import { ALL, Code, FAR, faults, isNotCanonical, lands, NEAR, row } from './x64-rows.ts';
import { Bit, Control, HandmadeTables, key } from './x64-tables.ts';

const { P, W, U, NX, A, D } = Bit;

/** What x64 machines promise, by images that are written entry by entry. */
export function describeX64Contract(subject: MachineUnderTest): void {
  const check = async (image: HandmadeTables, rows: readonly Row[]) =>
    expectOutcomes(await subject.loaded(image), image, rows);

  describe('x64: what a leaf permits', () => {
    test('a user page that may be written serves every access, in RAM and where no memory is', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, P | W | U).map(0x6000n, FAR, P | W | U);
      await check(image, [
        ...ALL.map((kind) => lands(kind, 0x5000n, NEAR)),
        ...ALL.map((kind) => lands(kind, 0x6000n, FAR)),
        ...ALL.map((kind) => lands(kind, 0x6ff8n, FAR + 0xff8n)),
      ]);
    });

    test('a page without U faults for the user with P=1 and serves the supervisor', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, P | W).map(0x6000n, FAR, P | W);
      for (const [address, physical] of [
        [0x5000n, NEAR],
        [0x6000n, FAR],
      ] as const) {
        await check(image, [
          lands('rs', address, physical),
          faults('ru', address, Code.P),
          lands('ws', address, physical),
          faults('wu', address, Code.P),
          lands('xs', address, physical),
          faults('xu', address, Code.P),
        ]);
      }
    });

    test('an address that nothing maps faults with P=0 at every level', async () => {
      const image = new HandmadeTables().map(0x5000n, NEAR, P | W | U);
      for (const address of [0x6000n, 0x20_0000n, 0x4000_0000n, 0x80_0000_0000n, 0xffff_8000_0000_0000n]) {
        await check(
          image,
          ALL.map((kind) => faults(kind, address, 0)),
        );
      }
    });

    test('a write to a read-only page faults with W=1, P=1; the supervisor may with CR0.WP=0', async () => {
      for (const writeProtect of [true, false]) {
        const image = new HandmadeTables({ writeProtect }).map(0x5000n, FAR, P | U).map(0x6000n, NEAR, P | U);
        await check(image, [
          lands('rs', 0x5000n, FAR),
          lands('ru', 0x5000n, FAR),
          writeProtect ? faults('ws', 0x5000n, Code.P) : lands('ws', 0x5000n, FAR),
          faults('wu', 0x5000n, Code.P),
          writeProtect ? faults('ws', 0x6000n, Code.P) : lands('ws', 0x6000n, NEAR),
          faults('wu', 0x6000n, Code.P),
        ]);
      }
    });

    test('a page with XD faults on a fetch only', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, P | W | U | NX);
      await check(image, [
        lands('rs', 0x5000n, FAR),
        lands('wu', 0x5000n, FAR),
        faults('xs', 0x5000n, Code.P),
        faults('xu', 0x5000n, Code.P),
      ]);
    });

    test('what any table on the way forbids stays forbidden', async () => {
      const image = new HandmadeTables()
        .map(0x5000n, FAR, P | W | U, 1, P | W)
        .map(0x80_0000_0000n, FAR, P | W | U, 1, P | U)
        .map(0x100_0000_0000n, FAR, P | W | U, 1, P | W | U | NX);
      await check(image, [
        faults('ru', 0x5000n, Code.P),
        lands('ws', 0x5000n, FAR),
        faults('ws', 0x80_0000_0000n, Code.P),
        lands('xu', 0x80_0000_0000n, FAR),
        faults('xs', 0x100_0000_0000n, Code.P),
        lands('wu', 0x100_0000_0000n, FAR),
      ]);
    });
  });

  describe('x64: what control registers forbid', () => {
    test('without EFER.NXE the XD bit is reserved', async () => {
      const image = new HandmadeTables({ nxe: false }).map(0x5000n, FAR, P | W | U | NX);
      const code = Code.P | Code.RSVD;
      await check(image, [
        faults('rs', 0x5000n, code),
        faults('wu', 0x5000n, code),
        // Neither NXE nor SMEP: fetches are not told apart (§4.7), I = 0.
        row('xs', 0x5000n, { fault: x64Fault(14, code), faultAddress: 0x5000n }),
      ]);
    });

    test('with SMEP the supervisor cannot fetch from a user page, without it can', async () => {
      const smep = new HandmadeTables({ cr4: Control.SMEP })
        .map(0x5000n, FAR, P | W | U)
        .map(0x6000n, FAR, P);
      await check(smep, [
        faults('xs', 0x5000n, Code.P),
        lands('xu', 0x5000n, FAR),
        lands('rs', 0x5000n, FAR),
        lands('xs', 0x6000n, FAR),
      ]);
    });

    test('with SMAP the supervisor reaches user data only with EFLAGS.AC', async () => {
      const flags = AccessFlag.AlignmentCheck;
      const image = new HandmadeTables({ cr4: Control.SMAP })
        .map(0x5000n, FAR, P | W | U)
        .map(0x6000n, NEAR, P | W);
      await check(image, [
        faults('rs', 0x5000n, Code.P),
        faults('ws', 0x5000n, Code.P),
        lands('rs', 0x5000n, FAR, { flags }),
        lands('ws', 0x5000n, FAR, { flags }),
        faults('ws', 0x5000n, Code.P),
        lands('wu', 0x5000n, FAR),
        lands('wu', 0x5000n, FAR, { flags }),
        lands('xs', 0x5000n, FAR),
        lands('ws', 0x6000n, NEAR),
      ]);
    });

    test('a protection key forbids data accesses to user pages as PKRU says, never a fetch', async () => {
      const image = new HandmadeTables({ cr4: Control.PKE }).map(0x5000n, FAR, P | W | U | key(3n));
      const flags = AccessFlag.ProtectionKeys;
      const accessDisabled = { flags, pkru: 1 << 6 };
      const writeDisabled = { flags, pkru: 2 << 6 };
      await check(image, [
        lands('ru', 0x5000n, FAR),
        faults('ru', 0x5000n, Code.P | Code.PK, accessDisabled),
        faults('rs', 0x5000n, Code.P | Code.PK, accessDisabled),
        faults('wu', 0x5000n, Code.P | Code.PK, writeDisabled),
        lands('ru', 0x5000n, FAR, writeDisabled),
        lands('xu', 0x5000n, FAR, accessDisabled),
        lands('wu', 0x5000n, FAR, { flags, pkru: 3 << 8 }),
        lands('wu', 0x5000n, FAR),
      ]);
    });

    test('without CR4.PKE neither key nor PKRU matters', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, P | W | U | key(3n));
      await check(image, [lands('wu', 0x5000n, FAR, { flags: AccessFlag.ProtectionKeys, pkru: 3 << 6 })]);
    });
  });

  describe('x64: sizes, widths and forms of addresses', () => {
    test('2 MiB and 1 GiB pages translate offsets', async () => {
      const image = new HandmadeTables()
        .map(0x20_0000n, 0x12_3460_0000n, P | W | U, 2)
        .map(0x40_0000_0000n, 0x12_4000_0000n, P | W | U, 3);
      await check(image, [
        ...ALL.map((kind) => lands(kind, 0x20_0000n, 0x12_3460_0000n)),
        ...ALL.map((kind) => lands(kind, 0x3f_f000n, 0x12_347f_f000n)),
        ...ALL.map((kind) => lands(kind, 0x40_0000_0000n, 0x12_4000_0000n)),
        ...ALL.map((kind) => lands(kind, 0x40_3fff_f000n, 0x12_7fff_f000n)),
      ]);
    });

    test('address bits inside a large page are reserved: P=1, RSVD=1', async () => {
      const image = new HandmadeTables().map(0x20_0000n, 0x12_3460_2000n, P | W | U, 2);
      await check(image, [
        faults('rs', 0x20_0000n, Code.P | Code.RSVD),
        faults('wu', 0x20_0000n, Code.P | Code.RSVD),
        faults('xs', 0x20_0000n, Code.P | Code.RSVD),
      ]);
    });

    test('a physical address beyond MAXPHYADDR is reserved, the last one below is not', async () => {
      const image = new HandmadeTables()
        .map(0x5000n, 1n << 40n, P | W | U)
        .map(0x6000n, (1n << 40n) - 0x2000n, P | W | U);
      await check(image, [
        faults('rs', 0x5000n, Code.P | Code.RSVD),
        faults('xu', 0x5000n, Code.P | Code.RSVD),
        ...ALL.map((kind) => lands(kind, 0x6000n, (1n << 40n) - 0x2000n)),
      ]);
    });

    test('an address that is not canonical gives #GP, the ends of the hole fault as pages', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, P | W | U);
      await check(image, [
        ...ALL.map((kind) => isNotCanonical(kind, 0x8000_0000_0000n)),
        ...ALL.map((kind) => isNotCanonical(kind, 0xffff_7fff_ffff_f000n)),
        ...ALL.map((kind) => isNotCanonical(kind, 0x1234_0000_0000_5000n)),
        ...ALL.map((kind) => faults(kind, 0x7fff_ffff_f000n, 0)),
        ...ALL.map((kind) => faults(kind, 0xffff_8000_0000_0000n, 0)),
        ...ALL.map((kind) => faults(kind, 0xffff_ffff_ffff_fff0n, 0)),
      ]);
    });

    test('5-level tables translate 57-bit addresses', async () => {
      const high = 0x12_3456_7000_5000n;
      const image = new HandmadeTables({ cr4: Control.LA57 })
        .map(high, FAR, P | W | U)
        .map(0x5000n, NEAR, P | W)
        .map(0xff80_0000_0000_0000n, FAR, P | W | U);
      await check(image, [
        ...ALL.map((kind) => lands(kind, high, FAR)),
        ...ALL.map((kind) => lands(kind, 0xff80_0000_0000_0000n, FAR)),
        lands('xs', 0x5000n, NEAR),
        faults('wu', 0x5000n, Code.P),
        ...ALL.map((kind) => faults(kind, 0xffff_8000_0000_0000n, 0)),
        ...ALL.map((kind) => isNotCanonical(kind, 0x100_0000_0000_0000n)),
      ]);
    });
  });

  describe('x64: what is under test stays what it was', () => {
    test('probes of the tables themselves change nothing but A and D', async () => {
      const image = new HandmadeTables({ tableLimit: 8 });
      for (let page = 0n; page < 8n; page++)
        image.map(0x10_0000n + page * 0x1000n, 0x10_0000n + page * 0x1000n, P | W | U);
      const machine = await subject.loaded(image);
      const rows = Array.from({ length: 8 }, (_, page) => BigInt(0x10_0000 + page * 0x1000)).flatMap(
        (address) => ALL.map((kind) => lands(kind, address, address)),
      );
      await expectOutcomes(machine, image, rows);
      const after = await machine.readBack();
      for (let place = 0x10_0000n; place < 0x10_8000n; place += 8n) {
        expect(after.readEntry(place)).toBe(withoutAccessedDirty(image.get(place), after.readEntry(place)));
      }
    });

    test('a read sets A on the way, a write D on the leaf, an access that faults sets no D', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, P | W | U).map(0x6000n, FAR, P | W | U);
      image
        .map(0x7000n, FAR, P | U)
        .map(0x8000n, FAR, P | W | U)
        .map(0x80_0000_0000n, FAR, P | W | U);
      const machine = await subject.loaded(image);
      await expectOutcomes(machine, image, [
        lands('rs', 0x5000n, FAR),
        lands('wu', 0x6000n, FAR),
        faults('wu', 0x7000n, Code.P),
      ]);
      const after = await machine.readBack();
      const bits = (address: bigint, level: number) =>
        (after.readEntry(image.entryAddress(address, level)) ?? 0n) & (A | D);
      expect([4, 3, 2].map((level) => bits(0x5000n, level) & A)).toEqual([A, A, A]);
      expect([bits(0x5000n, 1), bits(0x6000n, 1), bits(0x8000n, 1)]).toEqual([A, A | D, 0n]);
      expect(bits(0x7000n, 1) & D).toBe(0n);
      expect(bits(0x80_0000_0000n, 4)).toBe(0n);
    });

    test('the image that was given is never written to', async () => {
      const image = new HandmadeTables().map(0x5000n, FAR, P | W | U);
      const before = image.memory.ranges[0]?.words.slice();
      const machine = await subject.loaded(image);
      await expectOutcomes(
        machine,
        image,
        ALL.map((kind) => lands(kind, 0x5000n, FAR)),
      );
      expect(image.memory.ranges[0]?.words).toEqual(before);
    });
  });
}

/** The entry before, with the A and D bits of the entry after. */
function withoutAccessedDirty(before: bigint, after: bigint | undefined): bigint {
  const set = (after ?? 0n) & (A | D);
  return (before & P) === 0n ? before : before | set;
}

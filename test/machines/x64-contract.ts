import { describe, expect, test } from 'vitest';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { Known, x64Fault } from '../../src/outcome-list.ts';
import type { MachineUnderTest } from './contract.ts';
import { type Expected, expectOutcomes, probe, type Row } from './expectations.ts';
import { Bit, Control, HandmadeTables, key } from './x64-tables.ts';

const { P, W, U, NX, A, D } = Bit;

/** Page-fault error code bits, SDM Vol. 3A §4.7. */
const Code = { P: 1, W: 2, U: 4, RSVD: 8, I: 16, PK: 32 } as const;

/** No machine has memory here, so that only the physical address can tell. */
const FAR = 0x12_3456_7000n;
/** The GiB that holds it. */
const FAR_GIB = FAR & ~0x3fff_ffffn;
/** Just above what tables take: machines have memory here or not, as they like. */
const NEAR = 0x18_0000n;

const KINDS = {
  r: Access.Read,
  w: Access.Write,
  x: Access.Execute,
} as const;

type Kind = `${keyof typeof KINDS}${'s' | 'u'}`;
const ALL: readonly Kind[] = ['rs', 'ru', 'ws', 'wu', 'xs', 'xu'];

interface Extra {
  readonly flags?: number;
  readonly pkru?: number;
}

function row(kind: Kind, address: bigint, expected: Expected, extra: Extra = {}): Row {
  return {
    address,
    access: KINDS[kind[0] as keyof typeof KINDS],
    privilege: kind[1] === 'u' ? Privilege.User : Privilege.Supervisor,
    expected,
    ...extra,
  };
}

const lands = (kind: Kind, address: bigint, physical: bigint, extra?: Extra) =>
  row(kind, address, { physical }, extra);

/** A page fault of the access itself; the W, U and I bits follow from the access. */
function faults(kind: Kind, address: bigint, code: number, extra?: Extra): Row {
  const own =
    (kind[0] === 'w' ? Code.W : 0) | (kind[1] === 'u' ? Code.U : 0) | (kind[0] === 'x' ? Code.I : 0);
  return row(kind, address, { fault: x64Fault(14, code | own), faultAddress: address }, extra);
}

const isNotCanonical = (kind: Kind, address: bigint) =>
  row(kind, address, { fault: x64Fault(13, 0), faultAddress: 0n });

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
      const machine = await subject.open();
      try {
        await machine.load(image);
      } catch (error) {
        // A machine may say that it cannot; it must not answer wrongly.
        expect(error).toMatchObject({ name: 'MachineError', code: 'unfit' });
        return;
      }
      await expectOutcomes(machine, image, [
        ...ALL.map((kind) => lands(kind, 0x5000n, FAR)),
        faults('rs', 0x6000n, 0),
      ]);
      await machine.close();
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

/** The entry before, with the A and D bits of the entry after. */
function withoutAccessedDirty(before: bigint, after: bigint | undefined): bigint {
  const set = (after ?? 0n) & (A | D);
  return (before & P) === 0n ? before : before | set;
}

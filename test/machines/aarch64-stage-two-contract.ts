import { describe, expect, test } from 'vitest';
import { HPFAR_NONE, Translated } from '../../src/outcome-list.ts';
import { ALL, FAR, faults, type Kind, lands, NEAR, NORMAL, row, Status } from './aarch64-rows.ts';
import { ALL_OF_TWO, HCR_DC, HCR_PTW, HCR_VM, StageTwoTables, Two } from './aarch64-stage-two-tables.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, Index } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';

const NOT_READ = expect.stringMatching(/does not let the stub read/);
/** ESR_EL2 of an abort from EL1 or EL0 (Arm ARM D19.2.37). */
const FETCH_LOWER = 0x20;
const DATA_LOWER = 0x24;
const INSTRUCTION_LENGTH = 1 << 25;
const WRITE_NOT_READ = 1 << 6;
const STAGE_ONE_WALK = 1 << 7;

/** Device-nGnRnE, outer shareable: data while stage 1 is off. */
const STRONGLY_ORDERED = 0x200;

/** A fault of stage 2, which EL2 takes. On the walk of stage 1 its WnR is that of the walk. */
function faultsAtTwo(kind: Kind, address: bigint, status: number, level: number, onWalk = false): Row {
  const isFetch = kind[0] === 'x';
  const syndrome =
    ((isFetch ? FETCH_LOWER : DATA_LOWER) << 26) |
    INSTRUCTION_LENGTH |
    (onWalk ? STAGE_ONE_WALK : 0) |
    (kind[0] === 'w' ? WRITE_NOT_READ : 0) |
    status |
    level;
  return row(kind, address, { fault: syndrome >>> 0, faultAddress: address });
}

/** What machines promise of stage 2, alone and below stage 1, by images that are written entry by entry. */
export function describeAArch64StageTwoContract(subject: MachineUnderTest): void {
  const { needs } = aarch64Subject(subject);
  /** Expects outcomes, and HPFAR_EL2 of each where it is given, or that EL2 took nothing. */
  const check = async (image: StageTwoTables, rows: readonly (Row & { readonly ipa?: bigint })[]) => {
    const machine = await subject.loaded(image);
    await expectOutcomes(machine, image, rows);
    const { outcomes } = await probe(machine, rows);
    rows.forEach((one, index) => {
      const expected = one.ipa === undefined ? HPFAR_NONE : (one.ipa >> 12n) << 4n;
      expect(outcomes.hpfar?.[index], `HPFAR of the access to 0x${one.address.toString(16)}`).toBe(expected);
    });
  };
  const at = (ipa: bigint, rows: readonly Row[]) => rows.map((one) => ({ ...one, ipa }));

  describe('AArch64 stage 2 alone', () => {
    test.for([
      ['4 KiB from level 1', { pageShift: 12, startLevel: 1, inputBits: 39 }],
      ['4 KiB from level 0', { pageShift: 12, startLevel: 0, inputBits: 44 }],
      ['4 KiB from level 1, 2 tables', { pageShift: 12, startLevel: 1, inputBits: 40 }],
      ['4 KiB from level 2, 16 tables', { pageShift: 12, startLevel: 2, inputBits: 34 }],
      ['16 KiB from level 2, 2 tables', { pageShift: 14, startLevel: 2, inputBits: 37 }],
      ['64 KiB from level 2', { pageShift: 16, startLevel: 2, inputBits: 42 }],
    ] as const)('addresses are intermediate ones, faults are EL2’s: %s', async ([, form], context) => {
      await needs('stage 2', context);
      const page = 1n << BigInt(form.pageShift);
      const block = 1n << BigInt(2 * form.pageShift - 3);
      const far = FAR & -page;
      const image = new StageTwoTables(new HandmadeTables(), { ...form, alone: true })
        .map(5n * page, far, ALL_OF_TWO)
        .map(6n * page, NEAR, ALL_OF_TWO | Two.XN)
        .map(7n * page, far, ALL_OF_TWO & ~Two.Write)
        .map(8n * page, far, ALL_OF_TWO & ~Two.AF)
        .map(block, FAR & -block, ALL_OF_TWO, 2);
      const level3 = (kind: Kind, index: bigint, status: number) =>
        at(index * page, [faultsAtTwo(kind, index * page, status, 3)]);
      await check(image, [
        ...(['rs', 'ws', 'ru', 'wu'] as const).map((kind) =>
          lands(kind, 6n * page - 16n, far + page - 16n, STRONGLY_ORDERED),
        ),
        ...(['xs', 'xu'] as const).map((kind) => row(kind, 5n * page, { physical: far })),
        lands('ws', 6n * page, NEAR, STRONGLY_ORDERED),
        lands('ru', 2n * block - 16n, (FAR & -block) + block - 16n, STRONGLY_ORDERED),
        ...level3('xs', 6n, Status.Permission),
        ...level3('xu', 6n, Status.Permission),
        lands('ru', 7n * page, far, STRONGLY_ORDERED),
        ...level3('ws', 7n, Status.Permission),
        ...level3('wu', 7n, Status.Permission),
        ...ALL.flatMap((kind) => level3(kind, 8n, Status.AccessFlag)),
        ...ALL.flatMap((kind) => level3(kind, 9n, Status.Translation)),
        ...ALL.flatMap((kind) => at(2n * block, [faultsAtTwo(kind, 2n * block, Status.Translation, 2)])),
      ]);
    });

    test('with DC the memory type is that of stage 2', async (context) => {
      await needs('stage 2', context);
      const image = new StageTwoTables(new HandmadeTables(), { hcrEl2: HCR_DC })
        .map(0x5000n, FAR, ALL_OF_TWO)
        .map(0x6000n, FAR, (ALL_OF_TWO & ~Two.WriteBack) | Two.NonCacheable)
        .map(0x7000n, FAR, (ALL_OF_TWO & ~Two.WriteBack) | Two.Device);
      await check(image, [
        lands('rs', 0x5000n, FAR, 0x3ff),
        lands('ws', 0x6000n, FAR, 0x244),
        lands('ru', 0x7000n, FAR, 0x204),
      ]);
    });

    test('what cannot be read is neither executed nor written: of a write AT says where it would go', async (context) => {
      await needs('stage 2', context);
      const image = new StageTwoTables(new HandmadeTables(), { alone: true }).map(
        0x5000n,
        NEAR,
        ALL_OF_TWO & ~Two.Read,
      );
      const machine = await subject.loaded(image);
      const rows = (['xs', 'ws'] as const).map((kind) => row(kind, 0x5000n, { physical: NEAR }));
      const { outcomes, remarks } = await probe(machine, rows);
      expect(outcomes.known[0]).toBe(0);
      expect(outcomes.translated?.[1]).toBe(Translated.Everything);
      expect(outcomes.physicalAddress[1]).toBe(Number(NEAR));
      expect([0, 1].map((index) => remarks.get(index))).toEqual([NOT_READ, NOT_READ]);
      await expectOutcomes(machine, image, [faultsAtTwo('rs', 0x5000n, Status.Permission, 3)]);
    });

    test('where the stub is, probes are made from elsewhere: no address is its own', async (context) => {
      await needs('stage 2', context);
      const image = new StageTwoTables(new HandmadeTables(), { alone: true, inputBits: 36 });
      const rows = Array.from({ length: 64 }, (_, slot) => BigInt(slot) << 30n).flatMap((address) =>
        ALL.flatMap((kind) => at(address, [faultsAtTwo(kind, address, Status.Translation, 1)])),
      );
      await check(image, rows);
    });
  });

  describe('AArch64 stage 1 and stage 2', () => {
    /** Stage 1 with its own tables reachable through stage 2 one to one. */
    const nested = (one: HandmadeTables, hcrEl2 = HCR_VM) =>
      new StageTwoTables(one, { hcrEl2 }).map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2);
    const upper = (address: bigint) => 0xffff_0000_0000_0000n + address;

    test('both stages translate and both forbid, in both halves', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      const rows: (Row & { ipa?: bigint })[] = [];
      for (const place of [(address: bigint) => address, upper]) {
        one
          .map(place(0x5000n), 0x1_0000_5000n, NORMAL | Bit.User | Bit.PXN)
          .map(place(0x6000n), 0x1_0000_6000n, NORMAL)
          .map(place(0x7000n), 0x1_0000_5000n, NORMAL | Bit.ReadOnly)
          .map(place(0x8000n), 0x1_0000_8000n, NORMAL | Bit.User | Bit.ReadOnly);
        rows.push(
          ...(['rs', 'ws', 'ru', 'wu', 'xu'] as const).map((kind) =>
            lands(kind, place(0x5ff0n), FAR + 0xff0n),
          ),
          faults('xs', place(0x5000n), Status.Permission, 3),
          lands('rs', place(0x6000n), NEAR),
          ...at(0x1_0000_6000n, [
            faultsAtTwo('ws', place(0x6000n), Status.Permission, 3),
            faultsAtTwo('xs', place(0x6000n), Status.Permission, 3),
          ]),
          faults('ru', place(0x6000n), Status.Permission, 3),
          faults('ws', place(0x7000n), Status.Permission, 3),
          ...(['rs', 'ru', 'xs', 'xu'] as const).flatMap((kind) =>
            at(0x1_0000_8000n, [faultsAtTwo(kind, place(0x8000n), Status.Translation, 3)]),
          ),
          faults('rs', place(0x9000n), Status.Translation, 3),
        );
      }
      const image = nested(one)
        .map(0x1_0000_5000n, FAR, ALL_OF_TWO)
        .map(0x1_0000_6000n, NEAR, (ALL_OF_TWO & ~Two.Write) | Two.XN);
      await check(image, rows);
    });

    test('a table of stage 1 that stage 2 does not map is a fault of stage 2 on the walk', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      one.set(one.entryAddress(0x5000n, 1), 0x1_0000_0000n | Bit.Valid | Bit.TableOrPage);
      await check(
        nested(one),
        (['rs', 'ru', 'xs', 'xu'] as const).flatMap((kind) =>
          at(0x1_0000_0000n, [faultsAtTwo(kind, 0x5000n, Status.Translation, 1, true)]),
        ),
      );
    });

    test('with PTW a table of stage 1 in Device memory is a permission fault', async (context) => {
      await needs('stage 2', context);
      for (const [hcrEl2, isProtected] of [
        [HCR_VM, false],
        [HCR_VM | HCR_PTW, true],
      ] as const) {
        const one = new HandmadeTables().map(0x5000n, 0x1_0000_5000n, NORMAL);
        const image = new StageTwoTables(one, { hcrEl2 })
          .map(0x4000_0000n, 0x4000_0000n, (ALL_OF_TWO & ~Two.WriteBack) | Two.Device, 2)
          .map(0x1_0000_5000n, FAR, ALL_OF_TWO);
        const root = one.registers.ttbr0;
        await check(
          image,
          isProtected
            ? [{ ...faultsAtTwo('rs', 0x5000n, Status.Permission, 2, true), ipa: root }]
            : [lands('rs', 0x5000n, FAR)],
        );
      }
    });

    test('the memory type is the weaker of both stages', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      const types = { WriteBack: Two.WriteBack, NonCacheable: Two.NonCacheable, Device: Two.Device } as const;
      const rows: Row[] = [];
      const image = nested(one);
      let page = 0x10n;
      for (const [first, index] of Object.entries(Index)) {
        for (const [second, memAttr] of Object.entries(types)) {
          one.map(page << 12n, 0x1_0000_0000n + (page << 12n), index | Bit.InnerShareable | Bit.AF);
          image.map(0x1_0000_0000n + (page << 12n), FAR, (ALL_OF_TWO & ~Two.WriteBack) | memAttr);
          const isDevice = first === 'Device' || second === 'Device';
          const isCached = first === 'WriteBack' && second === 'WriteBack';
          rows.push(lands('rs', page << 12n, FAR, isDevice ? 0x204 : isCached ? 0x3ff : 0x244));
          page += 1n;
        }
      }
      await check(image, rows);
    });

    /** Stage 2 with 16 root entries below a stage 1 that maps what it likes. */
    const sixteen = (one: HandmadeTables) =>
      new StageTwoTables(one, { inputBits: 34 }).map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2);

    test('the stub keeps out of the intermediate addresses that stage 1 leads to', async (context) => {
      await needs('stage 2', context);
      for (const free of [0n, 7n, 15n]) {
        const one = new HandmadeTables();
        const slots = Array.from({ length: 16 }, (_, slot) => BigInt(slot)).filter((slot) => slot !== free);
        for (const slot of slots) one.map(slot << 30n, slot << 30n, NORMAL, 1);
        const rows = slots
          .filter((slot) => slot !== 1n)
          .flatMap((slot) => {
            const address = (slot << 30n) + 0x80_0000n;
            return at(address, [faultsAtTwo('rs', address, Status.Translation, 1)]);
          });
        await check(sixteen(one), rows);
      }
    });

    test('and of those where its tables are', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      one.set(one.entryAddress(0x5000n, 1), 0x3_c000_0000n | Bit.Valid | Bit.TableOrPage);
      one.set(one.entryAddress(0x4000_5000n, 1), 0x3_8000_0000n | Bit.Valid | Bit.TableOrPage);
      await check(sixteen(one), [
        ...at(0x3_c000_0000n, [faultsAtTwo('rs', 0x5000n, Status.Translation, 1, true)]),
        ...at(0x3_8000_0000n, [faultsAtTwo('rs', 0x4000_5000n, Status.Translation, 1, true)]),
      ]);
    });

    test('where it cannot, a probe that leads there by a table has no answer, and a remark', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      for (let slot = 0n; slot < 15n; slot++) one.map(slot << 30n, slot << 30n, NORMAL, 1);
      one.set(one.entryAddress(15n << 30n, 1), 0x3_c000_0000n | Bit.Valid | Bit.TableOrPage);
      const machine = await subject.loaded(sixteen(one));
      const rows = (['rs', 'ws', 'xs', 'ru'] as const).map((kind) =>
        faultsAtTwo(kind, (15n << 30n) + 0x80_0000n, Status.Translation, 1, true),
      );
      const { outcomes, remarks } = await probe(machine, rows);
      expect([...outcomes.known]).toEqual([0, 0, 0, 0]);
      expect(remarks.get(3)).toMatch(/stub/);
    });

    test('so has one that stage 1 takes there, but not one that stage 1 refuses', async (context) => {
      await needs('stage 2', context);
      const one = new HandmadeTables();
      for (let slot = 0n; slot < 16n; slot++) one.map(slot << 30n, slot << 30n, NORMAL, 1);
      const image = sixteen(one);
      const machine = await subject.loaded(image);
      const rows = Array.from({ length: 16 }, (_, slot) =>
        faultsAtTwo('rs', (BigInt(slot) << 30n) + 0x80_0000n, Status.Translation, 1),
      );
      const { outcomes, remarks } = await probe(machine, rows);
      const unanswered = [...outcomes.known].flatMap((known, slot) => (known === 0 ? [slot] : []));
      expect(unanswered).toEqual([15]);
      expect(remarks.get(15)).toMatch(/stub/);
      const refused = faults('ru', (15n << 30n) + 0x80_0000n, Status.Permission, 1);
      const after = await probe(machine, [refused]);
      if (after.remarks.size === 0) await expectOutcomes(machine, image, [refused]);
    });
  });
}

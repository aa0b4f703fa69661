import { describe, expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { HPFAR_NONE, Known, StructuralFault } from '../src/outcome-list.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from '../test/machines/aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index } from '../test/machines/aarch64-tables.ts';
import { rulesThatExplain } from '../test/support/deviating-probe.ts';
import { UNICORN_ERRATA } from './errata-unicorn.ts';
import type { Outcome } from './outcome.ts';

const ADDRESS = 0x5000n;
/** Beyond the 36 bits of the tables' output size. */
const BEYOND = 2 ** 36;
const DATA_ABORT_SAME_LEVEL = 0x25 << 26;
const Status = { Translation: 0x04, Permission: 0x0c } as const;
const NORMAL = Index.WriteBack | Bit.InnerShareable | Bit.AF;

/** What Unicorn knows of a completion, and of a fault whose status AT gives. */
const lands = (physicalAddress: number, memoryType = 0x3ff): Partial<Outcome> => ({
  known: Known.Completion | Known.PhysicalAddress | Known.MemoryType | Known.Shareability,
  fault: 0,
  physicalAddress,
  memoryType,
});
const faults = (status: number, level: number): Partial<Outcome> => ({
  known: Known.Completion | Known.FaultClass | Known.FaultStatus,
  fault: (DATA_ABORT_SAME_LEVEL | status | level) >>> 0,
});

type Image = Parameters<typeof rulesThatExplain>[1];
const explained = (image: Image, observed: Partial<Outcome>, address = ADDRESS) =>
  rulesThatExplain(UNICORN_ERRATA, image, { address, observed });

describe('address-size-not-checked', () => {
  const rule = ['address-size-not-checked'];
  const leaf = (attributes = NORMAL) =>
    new HandmadeTables({ outputBits: 36 }).map(ADDRESS, BigInt(BEYOND), attributes);

  test('a leaf beyond the size lands where its descriptor says', () => {
    expect(explained(leaf(), lands(BEYOND))).toEqual(rule);
  });

  test('it excuses no other address, though it be beyond the size too, no fault that the leaf does not give, no other type', () => {
    expect(explained(leaf(), lands(BEYOND + 0x1000))).toEqual([]);
    expect(explained(leaf(), lands(0x5000))).toEqual([]);
    expect(explained(leaf(), lands(BEYOND, 0x344))).toEqual([]);
    expect(explained(leaf(), faults(Status.Permission, 3))).toEqual([]);
    expect(explained(leaf(), faults(Status.Translation, 3))).toEqual([]);
  });

  test('a table beyond the size is walked on, to where no memory is', () => {
    const image = new HandmadeTables({ outputBits: 36 });
    image.set(image.entryAddress(ADDRESS, 0), BigInt(BEYOND) | Bit.Valid | Bit.TableOrPage);
    const left = { known: Known.Completion | Known.FaultClass, fault: StructuralFault.TableOutsideMemory };
    expect(explained(image, left)).toEqual(rule);
    expect(explained(image, lands(BEYOND))).toEqual([]);
    expect(explained(image, faults(Status.Translation, 1))).toEqual([]);
  });

  test('and a table that is there beyond the size, to its leaves', () => {
    const image = new HandmadeTables({ outputBits: 36, base: BigInt(BEYOND) }).map(ADDRESS, 0x9000n, NORMAL);
    expect(explained(image, lands(0x9000))).toEqual(rule);
    expect(explained(image, lands(0xa000))).toEqual([]);
    expect(explained(image, faults(Status.Translation, 3), 0x6000n)).toEqual(rule);
    expect(explained(image, faults(Status.Translation, 2), 0x6000n)).toEqual([]);
  });
});

describe('block-keeps-low-address-bits', () => {
  // Stage 1 is off, and its memory write-back: HCR_EL2.DC and VM.
  const HCR_VM_DC = 0x1001n;
  const rule = ['block-keeps-low-address-bits'];
  const image = (low: bigint, level = 2) => new HandmadeTables().map(0n, 0x8000_0000n | low, NORMAL, level);

  test('the address bits below the block’s size are or-ed into the place', () => {
    expect(explained(image(0x2000n), lands(0x8000_7000))).toEqual(rule);
    expect(explained(image(0x1_2000n, 1), lands(0x8001_7000))).toEqual(rule);
  });

  test('but not those below the size of a page of 64 KiB', () => {
    const large = new HandmadeTables({ pageShift: 16 }).map(0n, 0x8000_0000n | 0x1_3000n, NORMAL, 2);
    expect(explained(large, lands(0x8001_5000))).toEqual(rule);
    expect(explained(large, lands(0x8001_7000))).toEqual([]);
  });

  test('nor otherwise at stage 2, where stage 1 is off', () => {
    const guest = (low: bigint) =>
      new StageTwoTables(new HandmadeTables(), { alone: true, hcrEl2: HCR_VM_DC }).map(
        0n,
        0x8000_0000n | low,
        ALL_OF_TWO,
        2,
      );
    expect(explained(guest(0x2000n), lands(0x8000_7000))).toEqual(rule);
    expect(explained(guest(0x2000n), lands(0x8000_6000))).toEqual([]);
    expect(explained(guest(0n), lands(0x8000_7000))).toEqual([]);
  });

  test('no place but that, and none where the descriptor has no such bits or is a page', () => {
    expect(explained(image(0x2000n), lands(0x8000_6000))).toEqual([]);
    expect(explained(image(0x2000n), lands(0x8000_7000, 0x344))).toEqual([]);
    expect(explained(image(0n), lands(0x8000_7000))).toEqual([]);
    const page = new HandmadeTables().map(ADDRESS, 0x9000n, NORMAL);
    expect(explained(page, lands(0xb000))).toEqual([]);
  });
});

describe('what Unicorn has from QEMU', () => {
  test('a level 0 block, with the kept bits below it', () => {
    const image = new HandmadeTables().map(0n, 0x80_0000_2000n, NORMAL, 0);
    expect(explained(image, lands(0x80_0000_7000))).toContain('reserved-block-accepted');
    expect(explained(image, lands(0x80_0000_6000))).toEqual([]);
  });

  test('the shareability of Device memory is that of the descriptor, and no other', () => {
    const image = new HandmadeTables().map(ADDRESS, 0x9000n, Index.Device | Bit.AF);
    expect(explained(image, lands(0x9000, 0x004))).toEqual(['par-shareability-not-normalised']);
    expect(explained(image, lands(0x9000, 0x304))).toEqual([]);
  });
});

describe('with stage 2', () => {
  const FETCH_LOWER = (0x20 << 26) >>> 0;
  const fetched = (observed: Partial<Outcome>, image: Image, privilege = Privilege.Supervisor) =>
    rulesThatExplain(UNICORN_ERRATA, image, {
      address: ADDRESS,
      access: Access.Execute,
      privilege,
      observed: { hpfar: HPFAR_NONE, ...observed },
    });

  describe('stage-two-execute-never-is-one-bit', () => {
    const rule = ['stage-two-execute-never-is-one-bit'];
    const completes = { known: Known.Completion | Known.PhysicalAddress, fault: 0, physicalAddress: 0x9000 };
    const XN0 = 1n << 53n;
    const image = (bits: bigint) =>
      new StageTwoTables(new HandmadeTables(), { alone: true }).map(ADDRESS, 0x9000n, ALL_OF_TWO | bits);

    test('XN[0] alone forbids nobody, and adds nothing to XN[1]', () => {
      expect(fetched(completes, image(XN0))).toEqual(rule);
      const refused = { known: Known.Completion | Known.FaultClass, fault: FETCH_LOWER, hpfar: 0x50n };
      expect(fetched(refused, image(XN0 | Two.XN))).toEqual(rule);
    });

    test('no other place, and nothing where XN[1] alone is set or XN is clear', () => {
      expect(fetched({ ...completes, physicalAddress: 0xa000 }, image(XN0))).toEqual([]);
      expect(fetched(completes, image(Two.XN))).toEqual([]);
      const refused = { known: Known.Completion | Known.FaultClass, fault: FETCH_LOWER, hpfar: 0x50n };
      expect(fetched(refused, image(0n))).toEqual([]);
    });
  });

  describe('stage-one-walk-fault-is-translation-fault-of-stage-one', () => {
    const rule = ['stage-one-walk-fault-is-translation-fault-of-stage-one'];
    const one = new HandmadeTables();
    one.set(one.entryAddress(ADDRESS, 1), 0x1_0000_0000n | Bit.Valid | Bit.TableOrPage);
    const image = new StageTwoTables(one)
      .map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2)
      .map(0x1_0000_0000n, 0x9000n, ALL_OF_TWO & ~Two.Read);
    const known = Known.Completion | Known.FaultClass | Known.FaultStatus;
    const lower = (status: number, level: number, hpfar = 0x100_0000n) => ({
      known,
      fault: (FETCH_LOWER | status | level) >>> 0,
      hpfar,
    });

    test('a permission fault of stage 2 shows as translation fault at the level of stage 1', () => {
      expect(fetched(lower(Status.Translation, 2), image)).toEqual(rule);
    });

    test('at no other level, as no other fault, and at no other intermediate address', () => {
      expect(fetched(lower(Status.Translation, 1), image)).toEqual([]);
      expect(fetched(lower(Status.Permission, 2), image)).toEqual([]);
      expect(fetched(lower(Status.Translation, 2, 0x200_0000n), image)).toEqual([]);
      expect(fetched(lower(Status.Translation, 2, HPFAR_NONE), image)).toEqual([]);
    });
  });
});

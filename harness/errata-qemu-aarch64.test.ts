import { describe, expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { HPFAR_NONE, KNOWN_ALL, Known } from '../src/outcome-list.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from '../test/machines/aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index, SCTLR_WXN, Tcr } from '../test/machines/aarch64-tables.ts';
import { rulesThatExplain } from '../test/support/deviating-probe.ts';
import { QEMU_AARCH64_ERRATA } from './errata-qemu-aarch64.ts';
import type { Outcome } from './outcome.ts';

const ADDRESS = 0x5000n;
const FRAME = 0x9000;
const DATA_ABORT_SAME_LEVEL = 0x25 << 26;
const INSTRUCTION_LENGTH = 1 << 25;
const WRITE_NOT_READ = 1 << 6;
const NORMAL = Index.WriteBack | Bit.InnerShareable | Bit.AF;
const Status = { AddressSize: 0x00, Translation: 0x04, AccessFlag: 0x08, Permission: 0x0c } as const;

/** A completion where the walker says fault. */
const lands = (physicalAddress: number, memoryType = 0x3ff): Partial<Outcome> => ({
  known: KNOWN_ALL,
  fault: 0,
  faultAddress: 0n,
  physicalAddress,
  memoryType,
});
/** A fault of the level under test where the walker says something else. */
const faults = (
  status: number,
  level: number,
  isWrite = false,
  faultAddress = ADDRESS,
): Partial<Outcome> => ({
  known: KNOWN_ALL,
  fault: (DATA_ABORT_SAME_LEVEL | INSTRUCTION_LENGTH | (isWrite ? WRITE_NOT_READ : 0) | status | level) >>> 0,
  faultAddress,
  physicalAddress: -1,
  memoryType: 0,
});

type Image = Parameters<typeof rulesThatExplain>[1];
type Deviation = Parameters<typeof rulesThatExplain>[2];
const explained = (image: Image, observed: Partial<Outcome>, more: Partial<Deviation> = {}) =>
  rulesThatExplain(QEMU_AARCH64_ERRATA, image, { address: ADDRESS, ...more, observed });

describe('par-shareability-not-normalised', () => {
  const rule = ['par-shareability-not-normalised'];
  const mapped = (index: bigint, sh: bigint) =>
    new HandmadeTables().map(ADDRESS, BigInt(FRAME), index | (sh << 8n) | Bit.AF);
  const shows = (index: bigint, sh: bigint, type: number) =>
    explained(mapped(index, sh), { memoryType: type });

  test.each([0n, 1n, 3n])('Device and non-cacheable memory shows SH = %i of its descriptor', (sh) => {
    const shareability = Number(sh) << 8;
    expect(shows(Index.Device, sh, shareability | 0x04)).toEqual(rule);
    expect(shows(Index.NonCacheable, sh, shareability | 0x44)).toEqual(rule);
  });

  test('no other shareability than that of the descriptor', () => {
    expect(shows(Index.Device, 0n, 0x304)).toEqual([]);
    expect(shows(Index.Device, 3n, 0x004)).toEqual([]);
    expect(shows(Index.NonCacheable, 2n, 0x044)).toEqual([]);
  });

  test('no other memory type, place or fault, and no memory that is write-back', () => {
    expect(shows(Index.Device, 0n, 0x044)).toEqual([]);
    expect(shows(Index.WriteBack, 0n, 0x3ff)).toEqual([]);
    expect(explained(mapped(Index.Device, 0n), { memoryType: 0x004, physicalAddress: 0xa000 })).toEqual([]);
    expect(explained(mapped(Index.Device, 0n), faults(Status.Permission, 3))).toEqual([]);
  });

  test('not below stage 2, where QEMU does what the architecture says', () => {
    const one = new HandmadeTables().map(ADDRESS, BigInt(FRAME), Index.Device | Bit.AF);
    const image = new StageTwoTables(one)
      .map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2)
      .map(BigInt(FRAME), BigInt(FRAME), ALL_OF_TWO);
    expect(explained(image, { memoryType: 0x004 })).toEqual([]);
  });
});

describe('reserved-block-accepted', () => {
  const rule = ['reserved-block-accepted'];
  const attributes = Index.WriteBack | Bit.InnerShareable | Bit.AF;
  const image = (more = 0n) => new HandmadeTables().map(0n, 0x80_0000_0000n, attributes | more, 0);
  const place = 0x80_0000_5000;

  test('a descriptor of level 0 is a block of 512 GiB, with a block’s permissions, access flag and type', () => {
    expect(explained(image(), lands(place))).toEqual(rule);
    expect(
      explained(image(Bit.ReadOnly), faults(Status.Permission, 0, true), { access: Access.Write }),
    ).toEqual(rule);
    const noAccess = new HandmadeTables().map(0n, 0n, Index.WriteBack, 0);
    expect(explained(noAccess, faults(Status.AccessFlag, 0))).toEqual(rule);
  });

  test('of level 1 with pages of 16 KiB as well', () => {
    const image16 = new HandmadeTables({ pageShift: 14 }).map(0n, 0x10_0000_0000n, attributes, 1);
    expect(explained(image16, lands(0x10_0000_5000))).toEqual(rule);
    expect(explained(image16, lands(0x5000))).toEqual([]);
  });

  test('no place but its own, no fault that such a block does not give, no other type', () => {
    expect(explained(image(), lands(place + 0x1000))).toEqual([]);
    expect(explained(image(), lands(place, 0x304))).toEqual([]);
    expect(explained(image(), faults(Status.Permission, 0))).toEqual([]);
    expect(explained(image(), faults(Status.AccessFlag, 0))).toEqual([]);
    expect(explained(image(Bit.ReadOnly), lands(place), { access: Access.Write })).toEqual([]);
  });

  test('nothing where the descriptor is invalid, or leads to a table', () => {
    const empty = new HandmadeTables();
    expect(explained(empty, lands(0x5000))).toEqual([]);
    expect(explained(empty.map(0x20_0000n, 0n, attributes), lands(0x5000))).toEqual([]);
  });
});

describe('clean-writable-page-is-read-only-to-fetches', () => {
  const rule = ['clean-writable-page-is-read-only-to-fetches'];
  const clean = Index.WriteBack | Bit.InnerShareable | Bit.AF | Bit.DBM | Bit.ReadOnly;
  const hardware = Tcr.HA | Tcr.HD;
  const image = (attributes: bigint, options: ConstructorParameters<typeof HandmadeTables>[0]) =>
    new HandmadeTables(options).map(ADDRESS, BigInt(FRAME), attributes);
  const fetched = { access: Access.Execute } as const;

  test('a fetch completes that WXN forbids, or that EL1 may not make because EL0 may write', () => {
    expect(explained(image(clean, { tcr: hardware, sctlr: SCTLR_WXN }), lands(FRAME), fetched)).toEqual(rule);
    expect(explained(image(clean | Bit.User, { tcr: hardware }), lands(FRAME), fetched)).toEqual(rule);
    const user = { ...fetched, privilege: Privilege.User };
    const both = image(clean | Bit.User, { tcr: hardware, sctlr: SCTLR_WXN });
    expect(explained(both, lands(FRAME), user)).toEqual(rule);
  });

  test('not without HD, without DBM, where UXN or PXN forbids it, or at another place', () => {
    const wxn = { tcr: hardware, sctlr: SCTLR_WXN };
    const dirty = clean & ~Bit.ReadOnly;
    expect(explained(image(dirty, { ...wxn, tcr: Tcr.HA }), lands(FRAME), fetched)).toEqual([]);
    expect(explained(image(dirty & ~Bit.DBM, wxn), lands(FRAME), fetched)).toEqual([]);
    expect(explained(image(dirty, wxn), lands(FRAME), fetched)).toEqual([]);
    expect(explained(image(clean | Bit.PXN, wxn), lands(FRAME), fetched)).toEqual([]);
    expect(explained(image(clean, wxn), lands(FRAME + 0x1000), fetched)).toEqual([]);
  });

  test('a write that should set the dirty state and faults is none of it', () => {
    const write = { access: Access.Write } as const;
    const observed = faults(Status.Permission, 3, true);
    expect(explained(image(clean, { tcr: hardware }), observed, write)).toEqual([]);
  });
});

describe('high-address-bits-ignored-where-output-is-smaller', () => {
  const rule = ['high-address-bits-ignored-where-output-is-smaller'];
  const PAGE = 0x5_0000n;
  const image = (bits: bigint, options: ConstructorParameters<typeof HandmadeTables>[0] = {}) =>
    new HandmadeTables({ cpu: 'max', pageShift: 16, ...options }).map(PAGE, 0x9_0000n | bits, NORMAL);

  test('bits 15:12 of a page of 64 KiB are no part of the address', () => {
    expect(explained(image(0x3000n), lands(0x9_0000), { address: PAGE })).toEqual(rule);
  });

  test('bits 9:8 with DS = 1 neither, but bits 49:48 are', () => {
    const large = { pageShift: 12, largeDescriptors: true, t0sz: 12 } as const;
    const attributes = Index.WriteBack | Bit.AF;
    const moved = new HandmadeTables({ cpu: 'max', ...large }).map(ADDRESS, 1n << 50n, attributes);
    expect(explained(moved, lands(0, 0x0ff))).toEqual(rule);
    const kept = new HandmadeTables({ cpu: 'max', ...large }).map(ADDRESS, 1n << 48n, attributes);
    expect(explained(kept, lands(0, 0x0ff))).toEqual([]);
  });

  test('it excuses no other place or type, and nothing where 52 bits are in force or the bits are clear', () => {
    expect(explained(image(0x3000n), lands(0x9_1000), { address: PAGE })).toEqual([]);
    expect(explained(image(0x3000n), lands(0x9_0000, 0x0ff), { address: PAGE })).toEqual([]);
    const wide = image(0x3000n, { outputBits: 52 });
    expect(explained(wide, lands(0x9_0000), { address: PAGE })).toEqual([]);
    expect(explained(image(0n), faults(Status.AddressSize, 3, false, PAGE), { address: PAGE })).toEqual([]);
  });
});

describe('hierarchical-disable-without-hpds', () => {
  const rule = ['hierarchical-disable-without-hpds'];
  const write = { access: Access.Write } as const;
  const attributes = Index.WriteBack | Bit.InnerShareable | Bit.AF;
  /** Below a table that takes writes away, on a processor that must not heed TCR.HPD0. */
  const image = (
    tableBits: bigint = Bit.ReadOnlyTable,
    options: ConstructorParameters<typeof HandmadeTables>[0] = {},
  ) =>
    new HandmadeTables({ cpu: 'cortex-a72', outputBits: 44, tcr: Tcr.HPD0, ...options }).map(
      ADDRESS,
      BigInt(FRAME),
      attributes,
      3,
      tableBits,
    );

  test('it lets through what a table forbids, or (by WXN) forbids what then is writable', () => {
    expect(explained(image(), lands(FRAME), write)).toEqual(rule);
    const fetch = { access: Access.Execute } as const;
    const observed = { ...faults(Status.Permission, 3), known: Known.Completion };
    expect(explained(image(Bit.ReadOnlyTable, { sctlr: SCTLR_WXN }), observed, fetch)).toEqual(rule);
    expect(explained(image(), observed, fetch)).toEqual([]);
  });

  test('it excuses no other physical address, memory type or fault', () => {
    expect(explained(image(), lands(FRAME + 0x1000), write)).toEqual([]);
    expect(explained(image(), lands(FRAME, 0x44), write)).toEqual([]);
    expect(explained(image(), faults(Status.Translation, 3, true), write)).toEqual([]);
    expect(explained(image(), { faultAddress: 8n }, write)).toEqual([]);
  });

  test('it excuses nothing below tables that take nothing away, and nothing where HPD0 is clear', () => {
    expect(explained(image(0n), faults(Status.Permission, 3, true), write)).toEqual([]);
    expect(explained(image(Bit.ReadOnlyTable, { tcr: 0n }), lands(FRAME), write)).toEqual([]);
  });
});

describe('with two stages', () => {
  const IPA = 0x1_0000_5000n;
  const STAGE_ONE_WALK = 1 << 7;
  const nested = (one: HandmadeTables) =>
    new StageTwoTables(one).map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2);

  describe('stage-one-walk-fault-has-level-of-stage-one', () => {
    const rule = ['stage-one-walk-fault-has-level-of-stage-one'];
    const one = new HandmadeTables();
    one.set(one.entryAddress(ADDRESS, 1), 0x1_0000_0000n | Bit.Valid | Bit.TableOrPage);
    const image = nested(one);
    const fault = (0x24 << 26) | INSTRUCTION_LENGTH | STAGE_ONE_WALK | Status.Translation;

    test('a descriptor that stage 1 reads at level 2 and stage 2 ends at level 1', () => {
      expect(explained(image, { fault: (fault | 2) >>> 0 })).toEqual(rule);
    });

    test('no other level, kind of fault, address or HPFAR, and nothing without S1PTW', () => {
      expect(explained(image, { fault: (fault | 3) >>> 0 })).toEqual([]);
      expect(
        explained(image, { fault: ((fault ^ Status.Translation) | Status.Permission | 2) >>> 0 }),
      ).toEqual([]);
      expect(explained(image, { fault: (fault | 2) >>> 0, faultAddress: 0x6000n })).toEqual([]);
      expect(explained(image, { fault: (fault | 2) >>> 0, hpfar: 0x50n })).toEqual([]);
      expect(explained(image, { fault: (fault | 2) >>> 0, hpfar: HPFAR_NONE })).toEqual([]);
      expect(explained(image, { fault: ((fault & ~STAGE_ONE_WALK) | 2) >>> 0 })).toEqual([]);
    });
  });

  describe('device-of-one-stage-made-stricter-by-normal-of-the-other', () => {
    const rule = ['device-of-one-stage-made-stricter-by-normal-of-the-other'];
    const GRE = 0x3n << 2n;
    const image = (index: bigint, memAttr: bigint) =>
      nested(new HandmadeTables().map(ADDRESS, IPA, index | Bit.InnerShareable | Bit.AF)).map(
        IPA,
        BigInt(FRAME),
        (ALL_OF_TWO & ~Two.WriteBack) | memAttr,
      );

    test('GRE of stage 2 becomes what the low half of Normal non-cacheable says, nGnRE', () => {
      expect(explained(image(Index.NonCacheable, GRE), { memoryType: 0x204 })).toEqual(rule);
    });

    test('no other kind of Device memory, shareability or place', () => {
      expect(explained(image(Index.NonCacheable, GRE), { memoryType: 0x200 })).toEqual([]);
      expect(explained(image(Index.NonCacheable, GRE), { memoryType: 0x208 })).toEqual([]);
      expect(explained(image(Index.NonCacheable, GRE), { memoryType: 0x304 })).toEqual([]);
      expect(
        explained(image(Index.NonCacheable, GRE), { memoryType: 0x204, physicalAddress: 0xa000 }),
      ).toEqual([]);
    });

    test('not with write-back memory, nor with Normal memory at both stages', () => {
      expect(explained(image(Index.WriteBack, GRE), { memoryType: 0x204 })).toEqual([]);
      expect(explained(image(Index.NonCacheable, Two.WriteBack), { memoryType: 0x204 })).toEqual([]);
    });
  });
});

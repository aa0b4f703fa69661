import { describe, expect, test } from 'vitest';
import { Known, StructuralFault } from '../src/outcome-list.ts';
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

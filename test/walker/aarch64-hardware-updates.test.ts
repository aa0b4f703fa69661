import { describe, expect, test } from 'vitest';
import { HardwareUpdatePrediction } from '../../src/aarch64/walk-hardware-updates.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { OutcomeList } from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from '../machines/aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index, Tcr } from '../machines/aarch64-tables.ts';

const ADDRESS = 0x5000n;
const FRAME = 0x9000n;
const CLEAN = Index.WriteBack | Bit.InnerShareable | Bit.ReadOnly | Bit.DBM;
const BOTH = Tcr.HA | Tcr.HD;

type Change = readonly [place: bigint, bits: bigint];

/** Predicts accesses to one address, lets a processor flip bits in a copy of the tables, and compares. */
function compare(
  { memory, registers }: { memory: PhysicalMemory; registers: AArch64Registers },
  accesses: readonly Access[],
  changes: readonly Change[],
  address = ADDRESS,
): string[] {
  const list = new AccessList(accesses.length);
  accesses.forEach((access, index) => {
    list.set(index, Number(address), 0, access, Privilege.Supervisor);
  });
  const outcomes = new OutcomeList(list.length);
  createWalker(memory, registers).predict(list, outcomes);
  const prediction = new HardwareUpdatePrediction(memory, registers);
  prediction.add(list, outcomes);
  const after = new PhysicalMemory();
  for (const range of memory.ranges) after.addRange(range.firstFrame * 4096, range.words.slice().buffer);
  for (const [place, bits] of changes) after.writeEntry(place, (after.readEntry(place) ?? 0n) ^ bits);
  return prediction.compare(after).map(({ entryAddress, problem }) => {
    const known = changes.findIndex(([place]) => place === entryAddress);
    return known < 0 ? problem : `change ${known}: ${problem}`;
  });
}

describe('stage 1', () => {
  const image = (attributes = CLEAN, tcr = BOTH) =>
    new HandmadeTables({ tcr }).map(ADDRESS, FRAME, attributes).map(0x6000n, FRAME, attributes);
  const leaf = image().entryAddress(ADDRESS, 3);

  test('a read sets the access flag, a write the dirty state too', () => {
    expect(compare(image(), [Access.Read], [[leaf, Bit.AF]])).toEqual([]);
    expect(compare(image(), [Access.Execute], [[leaf, Bit.AF]])).toEqual([]);
    expect(compare(image(), [Access.Write], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([]);
  });

  test('what is missing is said, and what a read may not do', () => {
    expect(compare(image(), [Access.Read], [])).toEqual(['accessed flag not set']);
    expect(compare(image(), [Access.Write], [[leaf, Bit.AF]])).toEqual(['change 0: dirty state not set']);
    expect(compare(image(), [Access.Read], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([
      'change 0: dirty state set without a write',
    ]);
  });

  test('what no access used stays as it is, and so do all other bits', () => {
    const other = image().entryAddress(0x6000n, 3);
    const table = image().entryAddress(ADDRESS, 2);
    expect(
      compare(
        image(),
        [Access.Read],
        [
          [leaf, Bit.AF],
          [other, Bit.AF],
        ],
      ),
    ).toEqual(['change 1: accessed flag set without a use']);
    expect(
      compare(
        image(),
        [Access.Read],
        [
          [leaf, Bit.AF],
          [table, Bit.AF],
        ],
      ),
    ).toEqual(['change 1: accessed flag set without a use']);
    expect(compare(image(), [Access.Read], [[leaf, Bit.AF | Bit.PXN]])).toEqual([
      'change 0: other bits changed',
    ]);
    expect(compare(image(CLEAN | Bit.AF), [Access.Read], [[leaf, Bit.AF]])).toEqual([
      'change 0: other bits changed',
    ]);
  });

  test('an access that is refused may set the access flag, and never the dirty state', () => {
    const readOnly = CLEAN & ~Bit.DBM;
    expect(compare(image(readOnly), [Access.Write], [])).toEqual([]);
    expect(compare(image(readOnly), [Access.Write], [[leaf, Bit.AF]])).toEqual([]);
    expect(compare(image(readOnly), [Access.Write], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([
      'change 0: dirty state set without a write',
    ]);
  });

  test('without HA nothing changes, without HD no dirty state', () => {
    expect(compare(image(CLEAN | Bit.AF, 0n), [Access.Write], [[leaf, Bit.ReadOnly]])).toEqual([
      'change 0: dirty state set without a write',
    ]);
    expect(compare(image(CLEAN, 0n), [Access.Read], [[leaf, Bit.AF]])).toEqual([
      'change 0: accessed flag set without a use',
    ]);
    expect(compare(image(CLEAN, Tcr.HA), [Access.Write], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([
      'change 0: dirty state set without a write',
    ]);
  });
});

describe('stage 2', () => {
  const IPA = 0x1_0000_5000n;
  const CLEAN_TWO = (ALL_OF_TWO & ~Two.Write & ~Two.AF) | Bit.DBM;
  const VTCR_HA_HD = (1n << 21n) | (1n << 22n);
  const TABLES = 0x4000_0000n;
  const ROOT_TWO = 0x5000_0000n;
  const nested = (tcr: bigint, target = CLEAN_TWO, tables = ALL_OF_TWO) => {
    const one = new HandmadeTables({ tcr }).map(ADDRESS, IPA, CLEAN);
    const two = new StageTwoTables(one).map(TABLES, TABLES, tables, 2).map(IPA, FRAME, target);
    const { memory, registers } = two;
    const updating = { ...registers, vtcr: (registers.vtcr ?? 0n) | VTCR_HA_HD };
    const leaf = one.entryAddress(ADDRESS, 3);
    const table = (memory.readEntry(ROOT_TWO + 32n) ?? 0n) & 0xffff_ffff_f000n;
    // The tables of stage 1 are in the first block of the second GiB.
    const block = (memory.readEntry(ROOT_TWO + 8n) ?? 0n) & 0xffff_ffff_f000n;
    const last = (memory.readEntry(table) ?? 0n) & 0xffff_ffff_f000n;
    return { image: { memory, registers: updating }, leaf, page: last + 5n * 8n, block };
  };

  test('a write that completes marks the leaves of both stages', () => {
    const { image, leaf, page } = nested(BOTH);
    const changes: Change[] = [
      [leaf, Bit.AF | Bit.ReadOnly],
      [page, Bit.AF | Two.Write],
    ];
    expect(compare(image, [Access.Write], changes)).toEqual([]);
    expect(compare(image, [Access.Write], changes.slice(0, 1))).toEqual(['accessed flag not set']);
    expect(compare(image, [Access.Write], changes.slice(1))).toEqual(['accessed flag not set']);
    expect(compare(image, [Access.Read], changes)).toEqual([
      'change 0: dirty state set without a write',
      'change 1: dirty state set without a write',
    ]);
  });

  test('a descriptor of stage 1 that is changed makes the page dirty that stage 2 has it in', () => {
    const { image, leaf, page, block } = nested(BOTH, ALL_OF_TWO, CLEAN_TWO);
    const changes: Change[] = [
      [leaf, Bit.AF],
      [block, Bit.AF | Two.Write],
    ];
    expect(compare(image, [Access.Read], changes)).toEqual([]);
    expect(
      compare(
        image,
        [Access.Read],
        [
          [leaf, Bit.AF],
          [block, Bit.AF],
        ],
      ),
    ).toEqual(['change 1: dirty state not set']);
    expect(compare(image, [Access.Read], [...changes, [page, Bit.PXN]])).toEqual([
      'change 2: other bits changed',
    ]);
  });

  test('what stage 2 refuses may have made a page of stage 1 dirty', () => {
    const { image, leaf } = nested(BOTH, ALL_OF_TWO & ~Two.Write);
    expect(compare(image, [Access.Write], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([]);
    expect(compare(image, [Access.Write], [])).toEqual([]);
    expect(compare(image, [Access.Read], [[leaf, Bit.AF | Bit.ReadOnly]])).toEqual([
      'change 0: dirty state set without a write',
    ]);
  });
});

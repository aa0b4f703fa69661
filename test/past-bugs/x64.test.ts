import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { Known, x64Vector } from '../../src/outcome-list.ts';
import type { X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import { Page } from '../../src/x64/mapper/page.ts';
import { Size2MiB, Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import { expectOutcomes, probe, type Row } from '../machines/expectations.ts';
import { ALL, Code, FAR, faults, lands } from '../machines/x64-rows.ts';
import { Bit, HandmadeTables } from '../machines/x64-tables.ts';

const { P, W, U, NX } = Bit;
const PAGE = 0x8_5000n;
const HUGE_PAGE = 0x4020_0000n;
const HUGE_FRAME = 0x12_3440_0000n;
/** In a leaf of 2 MiB and 1 GiB, and in one of 4 KiB, where large leaves have PS (SDM Vol. 3A tables 4-17, 4-20). */
const PAT_OF_LARGE_PAGE = 1n << 12n;
const PAT_OF_PAGE = 1n << 7n;
const PS = 1n << 7n;
const D = 1n << 6n;

/** A bug that an MMU library really had: what it meant, and what it wrote or read instead. */
interface PastBug {
  readonly name: string;
  /** The tables as they should be. */
  readonly right: () => HandmadeTables;
  /** What accesses to them should do. */
  readonly rows: readonly Row[];
  /** The tables with the bug, for a bug of writing. */
  readonly wrong?: () => HandmadeTables;
  /** What the bug takes the right tables for, for a bug of reading. */
  readonly misread?: readonly Row[];
}

const BUGS: readonly PastBug[] = [
  {
    name: 'the PAT bit of a huge page is taken for an address bit',
    right: () => new HandmadeTables().map(HUGE_PAGE, HUGE_FRAME | PAT_OF_LARGE_PAGE, P | W | U, 2),
    rows: ALL.map((kind) => lands(kind, HUGE_PAGE, HUGE_FRAME)),
    misread: ALL.map((kind) => lands(kind, HUGE_PAGE, HUGE_FRAME + 0x1000n)),
  },
  {
    name: 'the PAT bit of a 4 KiB page is taken for PS',
    right: () => new HandmadeTables().map(PAGE, FAR, P | W | U | PAT_OF_PAGE),
    rows: ALL.map((kind) => lands(kind, PAGE, FAR)),
    misread: ALL.map((kind) => lands(kind, PAGE, (FAR & -0x20_0000n) | (PAGE & 0x1f_ffffn))),
  },
  {
    name: 'parents are left without USER',
    right: () => new HandmadeTables().map(PAGE, FAR, P | W | U),
    rows: [lands('ru', PAGE, FAR), lands('wu', PAGE, FAR), lands('xu', PAGE, FAR)],
    wrong: () => new HandmadeTables().map(PAGE, FAR, P | W | U, 1, P | W),
  },
  {
    name: 'NX is set while EFER.NXE is clear',
    right: () => new HandmadeTables({ nxe: false }).map(PAGE, FAR, P | W | U),
    rows: [lands('rs', PAGE, FAR), lands('wu', PAGE, FAR)],
    wrong: () => new HandmadeTables({ nxe: false }).map(PAGE, FAR, P | W | U | NX),
  },
  {
    name: 'a page table is freed, and used for something else, while an entry leads to it',
    right: () => new HandmadeTables().map(PAGE, FAR, P | W | U),
    rows: ALL.map((kind) => lands(kind, PAGE, FAR)),
    wrong: () => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U);
      return image.set(image.entryAddress(PAGE, 1), 0x6d6d_7563_6865_636an);
    },
  },
  {
    name: 'a page of 1 GiB is not aligned to 1 GiB',
    right: () => new HandmadeTables().map(0x40_0000_0000n, 0x12_4000_0000n, P | W | U, 3),
    rows: ALL.map((kind) => lands(kind, 0x40_0000_0000n, 0x12_4000_0000n)),
    wrong: () => new HandmadeTables().map(0x40_0000_0000n, 0x12_4020_0000n, P | W | U, 3),
  },
  {
    name: 'a split drops the NX bit',
    right: () => splitPage(P | W | U | NX),
    rows: [
      lands('ru', HUGE_PAGE, HUGE_FRAME),
      faults('xs', HUGE_PAGE, Code.P),
      faults('xu', HUGE_PAGE, Code.P),
    ],
    wrong: () => splitPage(P | W | U),
  },
  {
    name: 'a non-present entry with leftovers is called mapped',
    right: () => new HandmadeTables().map(PAGE, FAR, W | U),
    rows: ALL.map((kind) => faults(kind, PAGE, 0)),
    misread: ALL.map((kind) => lands(kind, PAGE, FAR)),
  },
];

/** A 2 MiB page as 4 KiB pages. */
function splitPage(flags: bigint): HandmadeTables {
  const image = new HandmadeTables();
  for (let page = 0n; page < 512n; page++) {
    image.map(HUGE_PAGE + page * 0x1000n, HUGE_FRAME + page * 0x1000n, flags);
  }
  return image;
}

describe.each([qemuX64, unicornX64])('bugs of the past, put to $name', (provider) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());

  test.each(BUGS)('$name', async ({ right, rows, wrong, misread }) => {
    const image = right();
    await machine.load(image);
    await expectOutcomes(machine, image, rows);
    if (misread !== undefined) {
      const claimed = misread.map(asExpected);
      const answers = await answersTo(misread);
      expect(answers.filter((answer, index) => answer === claimed[index])).toEqual([]);
    }
    if (wrong === undefined) return;
    await machine.load(wrong());
    expect(await answersTo(rows)).not.toEqual(rows.map(asExpected));
  });

  test('a split drops the dirty bit', async () => {
    const image = new HandmadeTables().map(HUGE_PAGE, HUGE_FRAME, P | W | U, 2);
    await machine.load(image);
    await expectOutcomes(machine, image, [lands('ws', HUGE_PAGE + 0x5000n, HUGE_FRAME + 0x5000n)]);
    const after = await machine.readBack();
    const written = Number((HUGE_FRAME + 0x5000n) >> 12n);
    const flags = (after.readEntry(image.entryAddress(HUGE_PAGE, 2)) ?? 0n) & 0xfffn & ~PS;
    expect(dirtyFrames(after, image.registers).has(written)).toBe(true);

    const right = splitPage(flags);
    expect(dirtyFrames(right.memory, right.registers).has(written)).toBe(true);
    const wrong = splitPage(flags & ~D);
    expect(dirtyFrames(wrong.memory, wrong.registers).has(written)).toBe(false);
  });

  /** What becomes of each access, as {@link asExpected} says it. */
  async function answersTo(rows: readonly Row[]): Promise<string[]> {
    const { outcomes } = await probe(machine, rows);
    return rows.map((_, index) => {
      if (((outcomes.known[index] as number) & Known.Completion) === 0) return 'not observed';
      const fault = outcomes.fault[index] as number;
      return fault === 0 ? `lands at ${outcomes.physicalAddress[index]}` : `exception ${x64Vector(fault)}`;
    });
  }
});

/** The frames that a pager would have to write back: those behind leaves with D. */
function dirtyFrames(memory: PhysicalMemory, registers: X64Registers): Set<number> {
  const leaves = createWalker(memory, registers).leaves();
  const frames = new Set<number>();
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    if (((memory.readEntry(leaves.entryAddress[leaf] as number) ?? 0n) & D) === 0n) continue;
    const first = leaves.frame[leaf] as number;
    for (let frame = first; frame < first + (leaves.pageCount[leaf] as number); frame++) frames.add(frame);
  }
  return frames;
}

function asExpected({ expected }: Row): string {
  return 'physical' in expected ? `lands at ${expected.physical}` : `exception ${x64Vector(expected.fault)}`;
}

describe('bugs of the past that the mappers do not have', () => {
  const tableOf = ({ memory, root }: HandmadeTables) =>
    new MappedPageTable(memory, PhysFrame.fromStartAddress(Size4KiB, root));

  test('the PAT bit of a huge page is no address bit', () => {
    const image = new HandmadeTables().map(HUGE_PAGE, HUGE_FRAME | PAT_OF_LARGE_PAGE, P | W, 2);
    const page = Page.fromStartAddress(Size2MiB, HUGE_PAGE);
    const frame = tableOf(image).size2MiB.translatePage(page);
    expect(PhysFrame.startAddress(frame)).toBe(HUGE_FRAME);
  });

  test('the PAT bit of a 4 KiB page does not make it huge', () => {
    const image = new HandmadeTables().map(PAGE, FAR, P | W | PAT_OF_PAGE);
    const frame = tableOf(image).size4KiB.translatePage(Page.fromStartAddress(Size4KiB, PAGE));
    expect(PhysFrame.startAddress(frame)).toBe(FAR);
  });

  test('an entry that is not present is not mapped, whatever is left in it', () => {
    const image = new HandmadeTables().map(PAGE, FAR, W | U);
    const page = Page.fromStartAddress(Size4KiB, PAGE);
    expect(() => tableOf(image).size4KiB.translatePage(page)).toThrow(/not mapped/);
    expect(tableOf(image).translateAddr(PAGE)).toBeUndefined();
  });
});

import { describe, expect, test } from 'vitest';
import {
  BLOCK,
  el1Mapping,
  el2Mapping,
  entries,
  NORMAL,
  NORMAL_EL2,
  PAGE,
  READ_ONLY,
  region,
  snapshot,
  tableMemory,
} from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import {
  type AArch64Registers,
  El1And0,
  El1Attributes,
  El2And0,
  El3,
  El23Attributes,
  IdMap,
  invalidatedAddress,
  Mapping,
  maintenanceText,
  Processor,
  Stage2,
  Stage2Attributes,
} from '../../index.ts';

const { Empty, Valid, ReadOnly, User, AttributeIndex2, Accessed } = El1Attributes;
const NORMAL_STAGE_2 = Stage2Attributes.fromBits(0x7fdn);
const UPPER = 0xffff_ff80_0000_0000n;

function liveEl1(hints = false) {
  const map = el1Mapping({ contiguousHints: hints });
  map.mapRange(region(0, BLOCK), 0x4000_0000, NORMAL);
  map.mapRange(region(BLOCK, 4 * PAGE), 0x5000_1000, NORMAL);
  map.markActive();
  return map;
}

describe('changes of tables in use are refused where they need break-before-make', () => {
  const { memory, allocator } = tableMemory();
  const map = el1Mapping({ memory, allocator, contiguousHints: false });
  map.mapRange(region(0, BLOCK), 0x4000_0000, NORMAL);
  map.mapRange(region(BLOCK, 4 * PAGE), 0x5000_1000, NORMAL);
  map.markActive();
  const modify = (start: number, size: number, set: typeof NORMAL, clear: typeof NORMAL) => () =>
    map.modifyRange(region(start, size), (descriptor) => descriptor.modifyFlags(set, clear));

  test.each([
    ['another output address', () => map.mapRange(region(BLOCK, 4 * PAGE), 0x5000_2000, NORMAL), BLOCK, PAGE],
    [
      'another memory type',
      () =>
        map.mapRange(region(0, BLOCK), 0x4000_0000, El1Attributes.union(Valid, Accessed, AttributeIndex2)),
      0,
      BLOCK,
    ],
    [
      'other attributes for a part of a block',
      () => map.mapRange(region(PAGE, PAGE), 0x4000_1000, READ_ONLY),
      PAGE,
      PAGE,
    ],
    ['unmapping a part of a block', () => map.mapRange(region(PAGE, 3 * PAGE), 0, Empty), PAGE, 3 * PAGE],
    [
      'a page of a block, out of step',
      () => map.mapRange(region(PAGE, PAGE), 0x4000_5000, NORMAL),
      PAGE,
      PAGE,
    ],
    ['a whole block, as pages', () => map.mapRange(region(0, BLOCK), 0x4000_0000, READ_ONLY, 1), 0, BLOCK],
    ['access for EL0', modify(BLOCK + PAGE, PAGE, User, Empty), BLOCK + PAGE, PAGE],
    [
      'a non-global translation made global',
      modify(BLOCK, PAGE, Empty, El1Attributes.NonGlobal),
      BLOCK,
      PAGE,
    ],
    ['an update of a part of a block', modify(0, PAGE, ReadOnly, Empty), 0, PAGE],
  ])('%s', (_, change, start, size) => {
    const before = snapshot(memory);
    expect(errorOf(change)).toMatchObject({
      code: 'BreakBeforeMakeViolation',
      details: { start: BigInt(start), end: BigInt(start + size) },
    });
    expect(snapshot(memory)).toEqual(before);
  });

  test('a live block is not split where an update changes nothing, nor before it is unmapped', () => {
    const live = liveEl1();
    live.modifyRange(region(PAGE, PAGE), () => {});
    expect(entries(live, region(0, BLOCK)).map(([, level]) => level)).toEqual([2]);
    expect(maintenanceText(live.mapRange(region(0, BLOCK), 0, Empty, 1))).toBe(
      'dsb ishst\ntlbi vaae1is, 0x0\ndsb ish\nisb',
    );
    expect(entries(live, region(0, BLOCK))).toEqual([]);
  });

  test('out of use everything is allowed again', () => {
    map.markInactive();
    map.mapRange(region(PAGE, PAGE), 0x4000_5000, NORMAL);
    map.markActive();
    expect(entries(map, region(PAGE, PAGE))[0]?.[2]).toBe(0x4000_5000n | El1Attributes.toBits(NORMAL) | 2n);
  });
});

describe('changes of tables in use return the maintenance that they need', () => {
  test('none while nobody uses the tables, or nothing changes', () => {
    const map = liveEl1();
    expect(map.mapRange(region(PAGE, PAGE), 0x4000_1000, NORMAL)).toEqual([]);
    expect(map.mapRange(region(BLOCK, 4 * PAGE), 0x5000_1000, NORMAL)).toEqual([]);
    map.markInactive();
    expect(map.mapRange(region(0, BLOCK), 0, Empty)).toEqual([]);
  });

  test('barriers for what was invalid before: no TLB holds it', () => {
    const map = liveEl1();
    expect(maintenanceText(map.mapRange(region(2 * BLOCK, PAGE), 0, NORMAL))).toBe('dsb ishst\nisb');
  });

  test('one invalidation for each descriptor that was valid and has changed', () => {
    const map = liveEl1();
    const list = map.modifyRange(region(BLOCK, 4 * PAGE), (descriptor) => {
      if (descriptor.startPage % 2 === 1) descriptor.modifyFlags(ReadOnly, Empty);
    });
    expect(maintenanceText(list)).toBe('dsb ishst\ntlbi vaae1is, 0x201\ntlbi vaae1is, 0x203\ndsb ish\nisb');
    expect(maintenanceText(map.mapRange(region(0, BLOCK), 0, Empty))).toBe(
      'dsb ishst\ntlbi vaae1is, 0x0\ndsb ish\nisb',
    );
  });

  test('each page of a table that is unlinked', () => {
    const map = liveEl1();
    expect(maintenanceText(map.mapRange(region(BLOCK, BLOCK), 0, Empty))).toBe(
      [
        'dsb ishst',
        ...['200', '201', '202', '203'].map((page) => `tlbi vaae1is, 0x${page}`),
        'dsb ish',
        'isb',
      ].join('\n'),
    );
  });

  test('a table that compaction unlinks', () => {
    const map = liveEl1();
    map.mapRange(region(BLOCK, 4 * PAGE), 0, Empty);
    expect(maintenanceText(map.compactSubtables())).toBe('dsb ishst\ntlbi vaae1is, 0x200\ndsb ish\nisb');
    expect(map.compactSubtables()).toEqual([]);
  });

  test('VA[55:12] of an upper address in bits 43:0, nothing above', () => {
    const map = el1Mapping({ vaRange: 'upper', contiguousHints: false });
    map.mapRange(region(UPPER, 2 * PAGE), 0, NORMAL);
    map.markActive();
    const [, operation] = map.mapRange(region(UPPER + 0x1000n, PAGE), 0, Empty);
    expect(operation).toEqual({ kind: 'tlbi', name: 'VAAE1IS', operand: 0xfff_f800_0001n });
    if (operation?.kind !== 'tlbi') expect.unreachable();
    expect(invalidatedAddress(operation)).toBe(UPPER + 0x1000n);
  });

  test('everything at once from 513 descriptors on', () => {
    const map = el1Mapping({ contiguousHints: false });
    map.mapRange(region(0, 2 * BLOCK), PAGE, NORMAL);
    map.markActive();
    const readOnly = (size: number) =>
      map.modifyRange(region(0, size), (descriptor) => {
        if (size > BLOCK) descriptor.modifyFlags(Empty, ReadOnly);
        else descriptor.modifyFlags(ReadOnly, Empty);
      });
    expect(readOnly(BLOCK)).toHaveLength(1 + 512 + 2);
    map.modifyRange(region(BLOCK, PAGE), (descriptor) => descriptor.modifyFlags(ReadOnly, Empty));
    expect(maintenanceText(readOnly(2 * BLOCK))).toBe('dsb ishst\ntlbi vmalle1is\ndsb ish\nisb');
  });

  test('EL2 and EL3 by their own invalidations, EL2&0 with the ASID in bits 63:48', () => {
    const options = { rootLevel: 1, contiguousHints: false };
    const el2 = el2Mapping(options);
    el2.mapRange(region(0x5000, PAGE), 0, NORMAL_EL2);
    el2.markActive();
    expect(maintenanceText(el2.mapRange(region(0x5000, PAGE), 0, El23Attributes.Empty))).toContain(
      'tlbi vae2is, 0x5\n',
    );
    const el3 = new IdMap({ regime: El3, ...options, ...tableMemory() });
    el3.mapRange(region(0x5000, PAGE), NORMAL_EL2);
    el3.markActive();
    expect(maintenanceText(el3.mapRange(region(0x5000, PAGE), El23Attributes.Empty))).toContain(
      'tlbi vae3is, 0x5\n',
    );
    const host = new Mapping({
      regime: El2And0,
      asid: 0x1234,
      vaRange: 'upper',
      ...options,
      ...tableMemory(),
    });
    host.mapRange(region(UPPER, PAGE), 0, NORMAL);
    host.markActive();
    expect(maintenanceText(host.mapRange(region(UPPER, PAGE), 0, Empty))).toContain(
      'tlbi vae2is, 0x12340ffff8000000\n',
    );
  });

  test('stage 2 by IPA, and then what combines both stages', () => {
    const map = new IdMap({ regime: Stage2, rootLevel: 1, contiguousHints: false, ...tableMemory() });
    map.mapRange(region(0x8000_0000, PAGE), NORMAL_STAGE_2);
    map.markActive();
    expect(maintenanceText(map.mapRange(region(0x8000_0000, PAGE), Stage2Attributes.Empty))).toBe(
      'dsb ishst\ntlbi ipas2e1is, 0x80000\ndsb ish\ntlbi vmalle1is\ndsb ish\nisb',
    );
  });
});

describe('the contiguous hint', () => {
  const CONTIGUOUS = 1n << 52n;
  const hinted = (map: ReturnType<typeof el1Mapping>, size: number, start = 0) =>
    entries(map, region(start, size))
      .filter(([, , bits]) => (bits & CONTIGUOUS) !== 0n)
      .map(([at]) => Number(at));
  const run = (first: number, step: number) => Array.from({ length: 16 }, (_, k) => first + k * step);

  test('is given to aligned runs of 16 pages, and of 16 blocks', () => {
    const map = el1Mapping();
    map.mapRange(region(0xf000, 18 * PAGE), 0xf000, NORMAL);
    expect(hinted(map, BLOCK)).toEqual(run(0x1_0000, PAGE));
    map.mapRange(region(32 * BLOCK, 17 * BLOCK), 64 * BLOCK, NORMAL);
    expect(hinted(map, 32 * BLOCK, 32 * BLOCK)).toEqual(run(32 * BLOCK, BLOCK));
  });

  test('is not given if the output address is out of step, or if it is forbidden', () => {
    const map = el1Mapping();
    map.mapRange(region(0, 32 * PAGE), PAGE, NORMAL);
    map.mapRange(region(BLOCK, 32 * PAGE), 0, NORMAL, 2);
    expect(hinted(map, 2 * BLOCK)).toEqual([]);
  });

  test('is taken from a run of which a part is changed, by mapping or by an update', () => {
    const map = el1Mapping();
    map.mapRange(region(0, 48 * PAGE), 0, NORMAL);
    map.mapRange(region(0x3000, PAGE), 0x3000, READ_ONLY);
    expect(hinted(map, BLOCK)).toEqual([...run(0x1_0000, PAGE), ...run(0x2_0000, PAGE)]);
    map.modifyRange(region(0x1_f000, 17 * PAGE), (descriptor) => descriptor.modifyFlags(ReadOnly, Empty));
    expect(hinted(map, BLOCK)).toEqual(run(0x2_0000, PAGE));
    expect(errorOf(() => map.mapRange(region(0x2_0000, PAGE), 1n << 60n, NORMAL)).code).toBe(
      'PhysAddrNotValid',
    );
    expect(hinted(map, BLOCK)).toEqual(run(0x2_0000, PAGE));
  });

  test('in use: a whole run may change, a part of it needs break-before-make', () => {
    const map = el1Mapping();
    map.mapRange(region(0, 32 * PAGE), 0, NORMAL);
    map.markActive();
    const readOnly = (start: number, pages: number) => () =>
      map.modifyRange(region(start, pages * PAGE), (descriptor) => descriptor.modifyFlags(ReadOnly, Empty));
    const violation = { code: 'BreakBeforeMakeViolation', details: { start: 0n, end: 0x1_0000n } };
    expect(errorOf(readOnly(0x3000, 1))).toMatchObject(violation);
    expect(errorOf(() => map.mapRange(region(0x3000, PAGE), 0x3000, READ_ONLY))).toMatchObject(violation);
    expect(errorOf(() => map.mapRange(region(0x3000, PAGE), 0, Empty))).toMatchObject(violation);
    expect(readOnly(0, 16)).not.toThrow();
    map.mapRange(region(0x1_0000, 16 * PAGE), 0, Empty);
    expect(hinted(map, BLOCK)).toEqual(run(0, PAGE));
    map.mapRange(region(0x1_0000, 16 * PAGE), 0x1_0000, NORMAL);
    expect(hinted(map, BLOCK)).toEqual([...run(0, PAGE), ...run(0x1_0000, PAGE)]);
  });
});

describe('break, invalidate, make', () => {
  const bits = El1Attributes.toBits(NORMAL);

  test('moves a page of a block: everything that the block mapped is unmapped meanwhile', () => {
    const map = liveEl1();
    const broken = map.breakRange(region(PAGE, PAGE));
    expect([broken.unmapped.start, broken.unmapped.end]).toEqual([0n, BigInt(BLOCK)]);
    expect(entries(map, region(0, BLOCK))).toEqual([]);
    expect(maintenanceText(broken.maintenance)).toBe('dsb ishst\ntlbi vaae1is, 0x0\ndsb ish\nisb');
    expect(() => map.mapRange(region(0, PAGE), 0, NORMAL)).toThrow('a range is broken');
    expect(maintenanceText(broken.mapRange(0x7000_0000, READ_ONLY))).toBe('dsb ishst\nisb');
    const found = entries(map, region(0, BLOCK));
    expect(found).toHaveLength(512);
    expect(found.slice(0, 3).map(([, , entry]) => entry)).toEqual([
      0x4000_0000n | bits | 2n,
      0x7000_0000n | El1Attributes.toBits(READ_ONLY) | 2n,
      0x4000_2000n | bits | 2n,
    ]);
    expect(() => broken.restore()).toThrow('made already');
  });

  test('changes what the callback says, from the old descriptors, and what was not mapped', () => {
    const map = liveEl1();
    const broken = map.breakRange(region(BLOCK + PAGE, 8 * PAGE));
    const seen: bigint[] = [];
    broken.modifyRange((descriptor) => {
      seen.push(descriptor.outputAddress);
      if (descriptor.isValid) descriptor.modifyFlags(User, Empty);
    });
    expect(seen).toEqual([0x5000_2000n, 0x5000_3000n, 0x5000_4000n, 0n, 0n, 0n, 0n, 0n]);
    expect(entries(map, region(BLOCK, BLOCK)).map(([, , entry]) => entry)).toEqual([
      0x5000_1000n | bits | 2n,
      ...[2n, 3n, 4n].map((page) => 0x5000_0000n | (page << 12n) | bits | 0x42n),
    ]);
  });

  test('breaks all of a contiguous run, and restores it', () => {
    const map = el1Mapping();
    map.mapRange(region(0, 32 * PAGE), 0, NORMAL);
    map.markActive();
    const broken = map.breakRange(region(0x3000, PAGE));
    expect(broken.unmapped.end).toBe(0x1_0000n);
    expect(entries(map, region(0, 32 * PAGE))).toHaveLength(16);
    broken.restore();
    expect(entries(map, region(0, 16 * PAGE)).map(([, , entry]) => entry)).toEqual(
      Array.from({ length: 16 }, (_, page) => BigInt(page * PAGE) | bits | 2n),
    );
  });

  test('a making that fails leaves the range broken; another one may follow', () => {
    const map = liveEl1();
    const before = entries(map, region(0, 2 * BLOCK));
    const broken = map.breakRange(region(PAGE, PAGE));
    expect(errorOf(() => broken.mapRange(1n << 50n, NORMAL)).code).toBe('PhysAddrNotValid');
    expect(
      errorOf(() =>
        broken.modifyRange(() => {
          throw new Error('no');
        }),
      ).code,
    ).toBe('PteUpdateFault');
    expect(entries(map, region(0, BLOCK))).toEqual([]);
    broken.restore();
    expect(entries(map, region(0, 2 * BLOCK))).toEqual(before);
  });
});

describe('activation', () => {
  const registers: AArch64Registers = {
    architecture: 'aarch64',
    exceptionLevel: 1,
    ttbr0: 0x1000n,
    ttbr1: 0x2000n,
    tcr: 0n,
    mair: 0n,
    sctlr: 1n,
    hcrEl2: 0n,
    vttbr: 0x3000n,
  };

  test('loads root table and ASID, and gives the previous value back in the end', async () => {
    const map = new Mapping({ regime: El1And0, rootLevel: 1, asid: 5, vaRange: 'upper', ...tableMemory() });
    const loaded: AArch64Registers[] = [];
    const processor = new Processor(registers, {
      install: (each) => void loaded.push(each as AArch64Registers),
    });
    expect(await map.activate(processor)).toBe(0x2000n);
    expect(processor.registers).toEqual({ ...registers, ttbr1: map.rootAddress | (5n << 48n) });
    expect(map.active).toBe(true);
    expect(maintenanceText(await map.deactivate(processor, 0x2000n))).toBe(
      'dsb ishst\ntlbi vmalle1is\ndsb ish\nisb',
    );
    expect(processor.registers).toEqual(registers);
    expect(loaded).toHaveLength(2);
    expect(map.active).toBe(false);
  });

  test('on two processors ends with the second deactivation', async () => {
    const map = new Mapping({ regime: Stage2, rootLevel: 1, ...tableMemory() });
    const processors = [new Processor(registers), new Processor(registers)] as const;
    for (const processor of processors) expect(await map.activate(processor)).toBe(0x3000n);
    await map.deactivate(processors[0], 0x3000n);
    expect(map.active).toBe(true);
    expect(maintenanceText(await map.deactivate(processors[1], 0x3000n))).toContain('tlbi alle1is');
    expect(map.active).toBe(false);
    await expect(map.deactivate(processors[1], 0n)).rejects.toMatchObject({ code: 'NotActive' });
    expect(errorOf(() => map.markInactive()).code).toBe('NotActive');
    expect(map.active).toBe(false);
  });

  test('of another regime, or with an installer that fails, changes nothing', async () => {
    const map = el2Mapping();
    await expect(map.activate(new Processor(registers))).rejects.toThrow('are of the EL1&0 regime');
    const processor = new Processor(
      { ...registers, exceptionLevel: 2 },
      { install: () => Promise.reject(new Error('no')) },
    );
    await expect(map.activate(processor)).rejects.toThrow('no');
    expect(map.active).toBe(false);
    expect(processor.registers.ttbr0).toBe(0x1000n);
    await expect(
      map.activate(new Processor({ ...registers, exceptionLevel: 2, hcrEl2: 1n << 34n })),
    ).rejects.toThrow('are of the EL2&0 regime');
  });
});

import { describe, expect, it } from 'vitest';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { attribute, DBM, EL1, PXN, READ_ONLY, shareability, USER } from './aarch64-page.ts';
import { memoryOf, type Tables, translate } from './aarch64-tables.ts';
import { said } from './said.ts';

const AF = 1n << 10n;
const VA = (1n << 30n) | (2n << 21n) | (3n << 12n);
const IPA = 0x5555n << 12n;
const PA = 0x9_9999n << 12n;

/** Stage 1: 39 bits from level 1; its tables are at these intermediate addresses. */
const STAGE_1 = { pageShift: 12, startLevel: 1, inputBits: 39, root: 0x1_0000n } as const;
/** Pools of table-builder.ts: level 2 and level 3 of the one path. */
const LEVEL_2 = STAGE_1.root + 0x20_0000n;
const LEVEL_3 = LEVEL_2 + 0x1000n;
const STAGE_2 = { pageShift: 12, startLevel: 1, inputBits: 39, root: 0x40_0000n } as const;

const NORMAL = AF | USER | attribute(3n) | shareability(3n);
/** Stage 2: read, write, execute, write-back, inner shareable. */
const MAPPED = AF | (1n << 6n) | (1n << 7n) | (0xfn << 2n) | shareability(3n);
const IDENTITY = [0x0n, 0x20_0000n].map((at) => [at, 2, at | MAPPED | 1n] as const);

const REGISTERS: AArch64Registers = {
  ...EL1,
  ttbr0: STAGE_1.root,
  tcr: 25n | (1n << 23n) | (5n << 32n),
  hcrEl2: 1n,
  vtcr: 25n | (1n << 6n) | (5n << 16n),
  vttbr: STAGE_2.root,
};

interface Options {
  one?: Tables['descriptors'];
  /** In place of the identity that stage 2 has for the tables of stage 1. */
  tables?: Tables['descriptors'];
  two?: Tables['descriptors'];
  registers?: Partial<AArch64Registers>;
}

function stages(options: Options = {}) {
  const memory = memoryOf(
    { ...STAGE_1, descriptors: options.one ?? [[VA, 3, IPA | NORMAL | 3n]] },
    {
      ...STAGE_2,
      descriptors: [...(options.tables ?? IDENTITY), ...(options.two ?? [[IPA, 3, PA | MAPPED | 3n]])],
    },
  );
  return { memory, registers: { ...REGISTERS, ...options.registers } };
}

function outcome(what: 'read' | 'write' | 'execute', who: 'supervisor' | 'user', options: Options = {}) {
  const { memory, registers } = stages(options);
  return translate(memory, registers, what, who, VA | 0x18n);
}

/** Maps page by page what stage 1's tables need, but one page with other bits. */
function tablesWith(table: bigint, descriptor: bigint): Tables['descriptors'] {
  return [STAGE_1.root, LEVEL_2, LEVEL_3].map((at) => [at, 3, at === table ? descriptor : at | MAPPED | 3n]);
}

describe('both stages', () => {
  it('translate one after the other', () => {
    expect(outcome('write', 'user')).toMatchObject({
      kind: 'completes',
      physicalAddress: PA | 0x18n,
      levelName: 'stage 1 level 3, stage 2 level 3',
      pageSize: 0x1000n,
      memoryTypeName: 'normal write-back, inner shareable',
    });
  });

  it('stage 1 faults go to EL1 and have no HPFAR', () => {
    const fault = outcome('read', 'supervisor', { one: [[VA, 3, 0n]] });
    expect(fault).toMatchObject({ description: 'data abort, same EL, translation fault level 3, read' });
    expect(fault).not.toHaveProperty('stageTwo');
  });

  it('a permission that stage 1 denies counts before stage 2', () => {
    const one = [[VA, 3, IPA | NORMAL | READ_ONLY | 3n]] as const;
    expect(said(outcome('write', 'user', { one, two: [] }))).toBe(
      'data abort, lower EL, permission fault level 3, write',
    );
    expect(said(outcome('read', 'user', { one, two: [] }))).toBe(
      'stage 2 data abort, lower EL, translation fault level 2, read',
    );
  });

  it('what stage 1 allows stage 2 may deny', () => {
    const two = [[IPA, 3, (PA | MAPPED | 3n) & ~(1n << 7n)]] as const;
    expect(outcome('write', 'supervisor', { two })).toMatchObject({
      description: 'stage 2 data abort, lower EL, permission fault level 3, write',
      faultAddress: VA | 0x18n,
      fault: 0x9200_004f,
    });
    const read = outcome('read', 'supervisor', { two });
    expect(read).toMatchObject({ permissions: { supervisor: { read: true, write: false, execute: false } } });
    const executable = { one: [[VA, 3, IPA | NORMAL | READ_ONLY | 3n]], two } as const;
    expect(said(outcome('execute', 'supervisor', executable))).toBe('completes');
    expect(
      said(outcome('execute', 'supervisor', { one: [[VA, 3, IPA | NORMAL | READ_ONLY | PXN | 3n]] })),
    ).toBe('instruction abort, same EL, permission fault level 3');
  });

  it('a stage 2 fault of the output has the intermediate address in HPFAR', () => {
    expect(outcome('execute', 'user', { two: [[IPA, 3, 0n]] })).toMatchObject({
      fault: 0x8200_0007,
      faultAddress: VA | 0x18n,
      stageTwo: { hpfar: (IPA >> 12n) << 4n },
    });
  });
});

describe('tables of stage 1', () => {
  it.each([
    ['root', STAGE_1.root],
    ['level 2', LEVEL_2],
    ['level 3', LEVEL_3],
  ])('the %s table that stage 2 does not map is a fault with S1PTW, in HPFAR the table', (_, table) => {
    expect(outcome('write', 'user', { tables: tablesWith(table, 0n) })).toMatchObject({
      description: 'stage 2 data abort, lower EL, translation fault level 3, write, on a stage 1 walk',
      fault: 0x9200_00c7,
      faultAddress: VA | 0x18n,
      stageTwo: { hpfar: (table >> 12n) << 4n },
    });
    expect(outcome('execute', 'supervisor', { tables: tablesWith(table, 0n) })).toMatchObject({
      fault: 0x8200_0087,
    });
    expect(said(outcome('write', 'user', { tables: tablesWith(table, table | MAPPED | 3n) }))).toBe(
      'completes',
    );
  });

  it('must be readable, need not be writable, and HPFAR is defined', () => {
    const unreadable = tablesWith(LEVEL_2, (LEVEL_2 | MAPPED | 3n) & ~(1n << 6n));
    expect(outcome('read', 'user', { tables: unreadable })).toMatchObject({
      description: 'stage 2 data abort, lower EL, permission fault level 3, read, on a stage 1 walk',
      stageTwo: { hpfar: (LEVEL_2 >> 12n) << 4n },
    });
    const readOnly = tablesWith(LEVEL_2, (LEVEL_2 | MAPPED | 3n) & ~(1n << 7n));
    expect(said(outcome('write', 'user', { tables: readOnly }))).toBe('completes');
  });

  it('must be writable where hardware sets the access flag or the dirty state', () => {
    const tables = tablesWith(LEVEL_3, (LEVEL_3 | MAPPED | 3n) & ~(1n << 7n));
    const registers = { tcr: REGISTERS.tcr | (3n << 39n) };
    const fault = 'stage 2 data abort, lower EL, permission fault level 3';
    const withoutAf = { tables, registers, one: [[VA, 3, (IPA | NORMAL | 3n) & ~AF]] } as const;
    expect(said(outcome('read', 'user', withoutAf))).toBe(`${fault}, read, on a stage 1 walk`);
    expect(said(outcome('read', 'user', { ...withoutAf, tables: IDENTITY }))).toBe('completes');
    const clean = { tables, registers, one: [[VA, 3, IPA | NORMAL | READ_ONLY | DBM | 3n]] } as const;
    expect(said(outcome('write', 'user', clean))).toBe(`${fault}, write, on a stage 1 walk`);
    expect(said(outcome('read', 'user', clean))).toBe('completes');
  });

  it('may lie elsewhere in physical memory', () => {
    const moved = 0x60_0000n;
    const { memory, registers } = stages({ tables: tablesWith(LEVEL_3, moved | MAPPED | 3n) });
    expect(said(translate(memory, registers, 'read', 'user', VA))).toContain('translation fault level 3');
    const entry = ((VA >> 12n) & 511n) * 8n;
    memory.writeEntry(moved + entry, IPA | NORMAL | 3n);
    expect(translate(memory, registers, 'read', 'user', VA)).toMatchObject({ physicalAddress: PA });
    expect(createWalker(memory, registers).leaves().entryAddress[0]).toBe(Number(moved + entry));
  });

  it('in Device memory are a permission fault with HCR_EL2.PTW only', () => {
    const tables = tablesWith(LEVEL_2, (LEVEL_2 | MAPPED | 3n) & ~(0xcn << 2n));
    expect(said(outcome('read', 'user', { tables }))).toBe('completes');
    expect(said(outcome('read', 'user', { tables, registers: { hcrEl2: 5n } }))).toBe(
      'stage 2 data abort, lower EL, permission fault level 3, read, on a stage 1 walk',
    );
    expect(said(outcome('read', 'user', { registers: { hcrEl2: 5n } }))).toBe('completes');
  });

  it('where no memory is, are named by their physical address', () => {
    const tables = tablesWith(LEVEL_3, (0x77_7000n << 12n) | MAPPED | 3n);
    expect(outcome('read', 'user', { tables })).toMatchObject({
      kind: 'table-outside-memory',
      entryAddress: (0x77_7000n << 12n) + 24n,
    });
  });

  it('larger tables than pages of stage 2 are read page by page', () => {
    const va = (1n << 29n) | (8000n << 16n);
    const root = 0x10_0000n;
    const next = root + 0x20_0000n;
    const page = next + ((8000n * 8n) & ~0xfffn);
    const inStageTwo = (bits: bigint) =>
      [
        [root, 3, root | MAPPED | 3n],
        [page, 3, page | bits],
        [IPA, 3, PA | MAPPED | 3n],
      ] as const;
    const run = (bits: bigint) => {
      const memory = memoryOf(
        {
          pageShift: 16,
          startLevel: 2,
          inputBits: 42,
          root,
          descriptors: [[va, 3, (IPA & ~0xffffn) | NORMAL | 3n]],
        },
        { ...STAGE_2, descriptors: inStageTwo(bits) },
      );
      const registers = { ...REGISTERS, ttbr0: root, tcr: 22n | (1n << 14n) | (1n << 23n) | (5n << 32n) };
      return translate(memory, registers, 'read', 'user', va + (IPA & 0xffffn));
    };
    expect(run(MAPPED | 3n)).toMatchObject({ physicalAddress: PA, pageSize: 0x1000n });
    expect(run(0n)).toMatchObject({ stageTwo: { hpfar: (page >> 12n) << 4n } });
  });
});

describe('the combined memory type', () => {
  const type = (attrIndx: bigint, sh1: bigint, memAttr: bigint, sh2: bigint) => {
    const one = [[VA, 3, IPA | AF | USER | attribute(attrIndx) | shareability(sh1) | 3n]] as const;
    const two = [[IPA, 3, PA | AF | (1n << 6n) | (memAttr << 2n) | shareability(sh2) | 3n]] as const;
    // Attr0 … 7: nGnRnE, nGnRE, non-cacheable, write-back, write-through, write-back transient, tagged, reserved.
    return outcome('read', 'user', { one, two, registers: { mair: 0x01_f0_77_bb_ff_44_04_00n } });
  };

  it.each([
    ['device in stage 1 stays device', 1n, 3n, 0xfn, 3n, 0x204],
    ['device in stage 2 makes device', 3n, 3n, 2n, 3n, 0x208],
    ['of two device types the stricter counts', 1n, 0n, 3n, 0n, 0x204],
    ['… whichever stage has it', 1n, 0n, 0n, 0n, 0x200],
    ['non-cacheable wins, and is outer shareable', 2n, 3n, 0xfn, 3n, 0x244],
    ['… from stage 2 too', 3n, 3n, 5n, 3n, 0x244],
    ['write-through wins over write-back', 3n, 3n, 0xan, 3n, 0x3bb],
    ['… from stage 1 too', 4n, 3n, 0xfn, 3n, 0x3bb],
    ['transient write-back becomes transient write-through', 5n, 0n, 0xan, 0n, 0x033],
    ['inner and outer combine apart', 3n, 0n, 0x7n, 0n, 0x04f],
    ['tagged memory stays tagged if write-back', 6n, 3n, 0xfn, 3n, 0x3f0],
    ['… and else is what it would be without tags', 6n, 3n, 0xan, 3n, 0x3bb],
    ['outer shareable wins', 3n, 2n, 0xfn, 3n, 0x2ff],
    ['inner shareable wins over none', 3n, 0n, 0xfn, 3n, 0x3ff],
    ['none and none is none', 3n, 0n, 0xfn, 0n, 0x0ff],
  ] as const)('%s', (_, attrIndx, sh1, memAttr, sh2, expected) => {
    expect(type(attrIndx, sh1, memAttr, sh2)).toMatchObject({ memoryType: expected });
  });
});

describe('leaves and dead ends under two stages', () => {
  const block = 0x20_0000n;
  const one = [
    [0n, 2, (4n * block) | NORMAL | 1n],
    [block, 2, (6n * block) | NORMAL | 1n],
  ] as const;
  const two = [
    [4n * block, 2, (16n * block) | MAPPED | 1n],
    [6n * block, 3, PA | MAPPED | 3n],
    [6n * block + 0x3000n, 3, (PA + 0x3000n) | MAPPED | 3n],
  ] as const;

  it('a leaf is cut where stage 2 cuts it, and holds physical frames', () => {
    const { memory, registers } = stages({ one, two });
    const leaves = createWalker(memory, registers).leaves();
    const rows = Array.from({ length: leaves.length }, (_, i) => [
      leaves.pageNumber[i],
      leaves.pageCount[i],
      leaves.frame[i],
    ]);
    expect(rows).toEqual([
      [0, 512, 16 * 512],
      [512, 1, Number(PA >> 12n)],
      [515, 1, Number(PA >> 12n) + 3],
    ]);
  });

  it('what stage 2 leaves out is a dead end', () => {
    const { memory, registers } = stages({ one, two });
    const ends = createWalker(memory, registers).deadEnds();
    expect([ends.length, ends.pageNumber[0], ends.pageCount[0], ends.frame[0]]).toEqual([
      510,
      513,
      1,
      6 * 512 + 1,
    ]);
    expect(ends.pageNumber[509]).toBe(1023);
  });

  it('too many pieces are an error, not an endless list', () => {
    const { memory, registers } = stages({ one, two });
    expect(() => createWalker(memory, registers).leaves(2)).toThrow(/more than the limit of 2/);
    expect(createWalker(memory, registers).leaves(3).length).toBe(3);
  });

  it('stage 2 alone has its own leaves', () => {
    const { memory, registers } = stages({ two: [[IPA, 3, PA | MAPPED | 3n]], tables: [] });
    const leaves = createWalker(memory, { ...registers, sctlr: 0n }).leaves();
    expect([leaves.length, leaves.pageNumber[0], leaves.frame[0]]).toEqual([
      1,
      Number(IPA >> 12n),
      Number(PA >> 12n),
    ]);
  });
});

describe('explain under two stages', () => {
  it('shows stage 1, then stage 2 of its output', () => {
    const { memory, registers } = stages();
    const steps = createWalker(memory, registers).explain(VA);
    expect(steps.map(({ levelName }) => levelName)).toEqual([
      'stage 1 level 1',
      'stage 1 level 2',
      'stage 1 level 3',
      'stage 2 level 1',
      'stage 2 level 2',
      'stage 2 level 3',
    ]);
    expect(steps.at(-1)).toMatchObject({
      kind: 'leaf',
      flags: ['MemAttr 15', 'S2AP[0]', 'S2AP[1]', 'SH 3', 'AF'],
      forbids: [],
      next: PA,
    });
  });

  it('shows what stage 2 forbids', () => {
    const { memory, registers } = stages({ two: [[IPA, 3, PA | AF | (3n << 53n) | 3n]] });
    expect(createWalker(memory, registers).explain(VA).at(-1)).toMatchObject({
      flags: ['MemAttr 0', 'SH 0', 'AF', 'XN[0]', 'XN[1]'],
      forbids: ['read', 'write', 'user execute'],
    });
  });

  it('where stage 2 keeps a table from being read, shows why', () => {
    const { memory, registers } = stages({ tables: tablesWith(LEVEL_2, 0n) });
    const steps = createWalker(memory, registers).explain(VA);
    expect(steps.map(({ levelName, problem }) => [levelName, problem])).toEqual([
      ['stage 1 level 1', undefined],
      ['stage 1 level 2', 'stage 2 does not let this table be read'],
      ['stage 2 level 1', undefined],
      ['stage 2 level 2', undefined],
      ['stage 2 level 3', 'invalid'],
    ]);
  });

  it('ends with stage 1 where stage 1 faults, and shows stage 2 only where there is no other', () => {
    const { memory, registers } = stages({ one: [[VA, 2, 0n]] });
    expect(
      createWalker(memory, registers)
        .explain(VA)
        .map(({ levelName }) => levelName),
    ).toEqual(['stage 1 level 1', 'stage 1 level 2']);
    expect(
      createWalker(memory, { ...registers, sctlr: 0n })
        .explain(IPA)
        .map(({ levelName }) => levelName),
    ).toEqual(['stage 2 level 1', 'stage 2 level 2', 'stage 2 level 3']);
  });
});

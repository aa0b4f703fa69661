import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RegimeName } from '../../harness/inputs/layout/layout.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { hex } from '../../src/addresses.ts';
import { WarmMachine } from '../bit-flips/warm-machine.ts';
import { NORMAL } from '../machines/aarch64-rows.ts';
import { HandmadeTables } from '../machines/aarch64-tables.ts';
import { ALL, brokenRuns, contradictedByQuery, type Finding, findings, findingsOf } from './findings.ts';
import { LayoutTables } from './layout-tables.ts';

/** Arm ARM D8.3 and D19.2. */
const UXN_OR_XN = 1n << 54n;
const PXN = 1n << 53n;
const READ_ONLY_TABLE = 1n << 62n;
const ATTR_INDX = 7n << 2n;
const CONTIGUOUS = 1n << 52n;
const TCR_EPD1 = 1n << 23n;
const TCR_T1SZ = 0x3fn << 16n;
const TCR_T1SZ_48_BITS = 16n << 16n;
const TCR_TG1 = 3n << 30n;
const TCR_TG1_4K = 2n << 30n;

const REGIONS = `
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: device, base: 0x103000, size: 4K, attributes: [uncached, execute-protect] }
  - { name: stack, base: 0x110000, size: 64K, attributes: [execute-protect] }
`;
const CODE = ['code', '0x101000', '0x101ff0'] as const;
const DEVICE = ['device', '0x103000', '0x103ff0'] as const;
const STACK = ['stack', '0x110000', '0x11fff0'] as const;
const TERA = ['tera', '0x8000000000', '0xfffffffff0'] as const;
const TERA_BASE = 512n << 30n;
const LOW = ['low', '0x100000', '0x100ff0'] as const;
const HIGH = ['high', '0x800000000000', '0x800000000ff0'] as const;
const STALE_BASE = 0x7000_0000n;
const STALE_PAGE = 0xffff_8000_0000_0000n;
const STALE = [null, '0xffff800000000000', '0xffff800000000ff0'] as const;

/** A bug that an MMU library really had. */
interface PastBug {
  readonly name: string;
  readonly regimes: readonly RegimeName[];
  /** Of the layout that the sound tables implement; {@link REGIONS} where absent. */
  readonly layout?: string;
  /** Puts the bug into sound tables. */
  readonly seed: (tables: LayoutTables) => unknown;
  /** What is to be reported of every machine; accesses of EL0 are left out where the regime has none. */
  readonly found: readonly Finding[] | ((isQueried: boolean) => readonly Finding[]);
  /** Where queryMemoryRegion contradicts the layout as well, if it can open such tables: first pages of regions. */
  readonly queried: readonly string[];
  /** Where sound tables have a run of contiguous entries that the bug breaks: its first page. */
  readonly breaksRun?: bigint;
}

const WITH_USER: readonly RegimeName[] = ['el1', 'el2-vhe'];
const WITHOUT_USER: readonly RegimeName[] = ['el2', 'el3'];
const STAGE_ONE = [...WITH_USER, ...WITHOUT_USER];

const BUGS: readonly PastBug[] = [
  {
    name: 'XN stands at bit 53 instead of 54',
    regimes: WITHOUT_USER,
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => (leaf & ~UXN_OR_XN) | PXN),
    found: findings(STACK, ['xs'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    name: 'XN is written where PXN is needed',
    regimes: WITH_USER,
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => (leaf & ~PXN) | UXN_OR_XN),
    found: findings(STACK, ['xs'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    name: 'EL0 may still execute a page that it may not access',
    regimes: WITH_USER,
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => leaf & ~UXN_OR_XN),
    found: findings(STACK, ['xu'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    // The emulators take the block: the walker (and the query) alone say that it is none. What a layout declares no
    // erratum excuses.
    name: 'a block stands at level 0 without LPA2',
    regimes: STAGE_ONE,
    layout: 'regions: [{ name: tera, base: 512G, size: 512G, attributes: [read-only] }]',
    seed: (tables) => {
      const block = tables.way(TERA_BASE).at(-1);
      tables.rewrite(TERA_BASE, () => block?.value ?? 0n, 39);
    },
    found: (isQueried) =>
      ALL.flatMap((kind) =>
        findings(TERA, [kind], {
          predicted: 'translation fault level 0',
          observed: ['rs', 'xs', 'xu'].includes(kind) ? 'normal write-back' : 'permission fault level 0',
          alone: isQueried ? null : 'predicted',
        }),
      ),
    queried: ['0x8000000000'],
  },
  {
    name: 'T0SZ is too large by one',
    regimes: STAGE_ONE,
    layout: 'regions: [{ name: low, base: 1M, size: 4K }, { name: high, base: 128T, size: 4K }]',
    seed: (tables) => tables.install({ tcr: tables.registers.tcr + 1n }),
    found: findings(HIGH, ALL, { predicted: 'translation fault level 0', alone: 'declared' }),
    queried: ['0x800000000000'],
  },
  {
    // One bit more of addresses needs one level more: every table is read as one of the level above, and the page as
    // a table, which is empty.
    name: 'T0SZ is too small by one',
    regimes: STAGE_ONE,
    layout: 'vaBits: 39\nregions: [{ name: low, base: 1M, size: 4K }]',
    seed: (tables) => {
      tables.memory.addRange(0x10_0000, new ArrayBuffer(0x1000));
      tables.install({ tcr: tables.registers.tcr - 1n });
    },
    found: findings(LOW, ALL, { predicted: 'translation fault level 2', alone: 'declared' }),
    queried: [],
  },
  {
    name: 'EPD1 is clear, and TTBR1 leads to stale tables',
    regimes: WITH_USER,
    seed: (tables) => {
      const writeBack = attributeIndex(tables, 0x10_1000n);
      const leaf = (NORMAL & ~ATTR_INDX) | writeBack;
      const stale = new HandmadeTables({ base: STALE_BASE }).map(STALE_PAGE, 0x3000_0000n, leaf);
      for (const { words } of stale.memory.ranges) tables.memory.addRange(STALE_BASE, words.buffer);
      const tcr = tables.registers.tcr & ~(TCR_EPD1 | TCR_TG1 | TCR_T1SZ);
      tables.install({ tcr: tcr | TCR_TG1_4K | TCR_T1SZ_48_BITS, ttbr1: stale.registers.ttbr1 });
    },
    found: [
      ...findings(STALE, ['rs', 'ws', 'xs'], { predicted: 'completes', alone: 'declared' }),
      ...findings(STALE, ['ru', 'wu'], { predicted: 'permission fault level 3', alone: 'declared' }),
      ...findings(STALE, ['xu'], { predicted: 'completes', alone: 'declared' }),
    ],
    queried: [],
  },
  {
    name: 'two attributes are swapped in MAIR',
    regimes: STAGE_ONE,
    seed: (tables) => {
      const [device, writeBack] = [0x10_3000n, 0x11_0000n].map((page) => attributeIndex(tables, page));
      tables.install({ mair: swapBytes(tables.registers.mair, 2n * (device ?? 0n), 2n * (writeBack ?? 0n)) });
    },
    found: [
      ...findings(CODE, ['rs', 'xs', 'xu'], { predicted: 'device nGnRnE', alone: null }),
      ...findings(DEVICE, ['rs', 'ws'], { predicted: 'normal write-back', alone: 'declared' }),
      ...findings(STACK, ['rs', 'ws'], { predicted: 'device nGnRnE', alone: null }),
    ],
    queried: [],
  },
  {
    name: 'a read-only table stands above writable leaves',
    regimes: STAGE_ONE,
    seed: (tables) => tables.rewrite(0x11_0000n, (table) => table | READ_ONLY_TABLE, 21),
    found: [
      ...findings(DEVICE, ['ws'], { predicted: 'permission fault level 3', alone: 'declared' }),
      ...findings(STACK, ['ws'], { predicted: 'permission fault level 3', alone: 'declared' }),
    ],
    queried: ['0x103000', '0x110000'],
  },
  {
    name: 'the last page of a range is missed',
    regimes: STAGE_ONE,
    seed: (tables) => tables.rewrite(0x11_f000n, () => 0n),
    found: findings(['stack', '0x11f000', '0x11fff0'], ALL, {
      predicted: 'translation fault level 3',
      alone: 'declared',
    }),
    queried: ['0x11f000'],
    breaksRun: 0x11_0000n,
  },
];

/** AttrIndx of the leaf of a page, where it stands: four times the index, and half the position of its byte in MAIR. */
function attributeIndex(tables: LayoutTables, page: bigint): bigint {
  return (tables.way(page).at(-1)?.value ?? 0n) & ATTR_INDX;
}

function isContiguous(tables: LayoutTables, page: bigint): boolean {
  return ((tables.way(page).at(-1)?.value ?? 0n) & CONTIGUOUS) !== 0n;
}

/** Two bytes of MAIR, given by the positions of their lowest bits, in each other's place. */
function swapBytes(mair: bigint, left: bigint, right: bigint): bigint {
  const difference = ((mair >> left) ^ (mair >> right)) & 0xffn;
  return mair ^ (difference << left) ^ (difference << right);
}

const ON_EACH = BUGS.flatMap((bug) => bug.regimes.map((regime) => ({ ...bug, regime })));

describe.each([
  { provider: qemuAArch64, runs: STAGE_ONE },
  { provider: unicornAArch64, runs: ['el1', 'el2'] },
])('bugs of the past, put to $provider.name', ({ provider, runs }) => {
  let machine: WarmMachine;
  beforeAll(async () => {
    machine = new WarmMachine(await provider.open());
  });
  afterAll(() => machine.close());

  const cases = ON_EACH.filter(({ regime }) => runs.includes(regime));
  test.each(cases)('at $regime: $name', async (bug) => {
    const { regime, layout = REGIONS, seed, found, queried, breaksRun } = bug;
    const tables = new LayoutTables(`architecture: aarch64\nregime: ${regime}\n${layout}`);
    const sound = await verify(tables.input, { machines: [machine], required: true });
    expect(sound).toMatchObject({ verdict: 'agree', groups: [] });

    const hasRun = breaksRun !== undefined && isContiguous(tables, breaksRun);
    seed(tables);
    const { input } = tables;
    const report = await verify(input, { machines: [machine], required: true });
    const isQueried = input.query !== undefined;
    const all = typeof found === 'function' ? found(isQueried) : found;
    expect(findingsOf(report)).toEqual(
      all.filter(({ kind }) => kind.endsWith('s') || WITH_USER.includes(regime)),
    );
    expect(contradictedByQuery(report)).toEqual(isQueried ? queried : []);
    expect(brokenRuns(report)).toEqual(hasRun ? [hex(breaksRun)] : []);
    expect(report.verdict).toBe('mismatch');
  });
});

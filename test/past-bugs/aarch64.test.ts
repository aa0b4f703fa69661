import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { WarmMachine } from '../bit-flips/warm-machine.ts';
import { NORMAL } from '../machines/aarch64-rows.ts';
import { HandmadeTables } from '../machines/aarch64-tables.ts';
import { ALL, contradictedByQuery, type Finding, findings, findingsOf, SUPERVISOR } from './findings.ts';
import { LayoutTables } from './layout-tables.ts';

/** Arm ARM D8.3 and D19.2. */
const UXN_OR_XN = 1n << 54n;
const PXN = 1n << 53n;
const READ_ONLY_TABLE = 1n << 62n;
const TCR_EPD1 = 1n << 23n;
const TCR_T1SZ_48_BITS = 16n << 16n;
const TCR_TG1 = 3n << 30n;
const TCR_TG1_4K = 2n << 30n;
/** MAIR of the engine: Device, non-cacheable, write-through, write-back from index 0 on; here the first and last swapped. */
const MAIR_SWAPPED = 0x00bb_44ffn;

const REGIONS = `
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: device, base: 0x103000, size: 4K, attributes: [uncached, execute-protect] }
  - { name: stack, base: 0x110000, size: 64K, attributes: [execute-protect] }
`;
const STACK = ['stack', '0x110000', '0x11fff0'] as const;
const DEVICE = ['device', '0x103000', '0x103ff0'] as const;
const CODE = ['code', '0x101000', '0x101ff0'] as const;

type Regime = 'el1' | 'el2';

/** A bug that an MMU library really had. */
interface PastBug {
  readonly name: string;
  readonly regimes: readonly Regime[];
  /** Of the layout that the sound tables implement; {@link REGIONS} where absent. */
  readonly regions?: string;
  /** Puts the bug into sound tables. */
  readonly seed: (tables: LayoutTables) => unknown;
  /** What is to be reported of every machine; accesses of EL0 are left out where the regime has none. */
  readonly found: readonly Finding[];
  /** Where queryMemoryRegion contradicts the layout as well: first pages of regions. */
  readonly queried: readonly string[];
}

const BOTH: readonly Regime[] = ['el1', 'el2'];
const TERA = ['tera', '0x8000000000', '0xfffffffff0'] as const;
const TERA_BASE = 512n << 30n;
const HIGH = ['high', '0x800000000000', '0x800000000ff0'] as const;
const STALE_BASE = 0x7000_0000n;
const STALE = [null, '0xffff800000000000', '0xffff800000000ff0'] as const;
const STALE_PAGE = 0xffff_8000_0000_0000n;

const BUGS: readonly PastBug[] = [
  {
    name: 'XN of EL2 stands at bit 53 instead of 54',
    regimes: ['el2'],
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => (leaf & ~UXN_OR_XN) | PXN),
    found: findings(STACK, ['xs'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    name: 'XN is written where EL1 needs PXN',
    regimes: ['el1'],
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => (leaf & ~PXN) | UXN_OR_XN),
    found: findings(STACK, ['xs'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    name: 'EL0 may still execute a page that it may not access',
    regimes: ['el1'],
    seed: (tables) => tables.rewriteRegion('stack', (leaf) => leaf & ~UXN_OR_XN),
    found: findings(STACK, ['xu'], { predicted: 'completes', alone: 'declared' }),
    queried: ['0x110000'],
  },
  {
    // The emulators take the block: nothing but the walker says that it is none, and no erratum excuses what a layout declares.
    name: 'a block stands at level 0 without LPA2',
    regimes: BOTH,
    regions: 'regions: [{ name: tera, base: 512G, size: 512G, attributes: [read-only] }]',
    seed: (tables) => {
      const block = tables.way(TERA_BASE).at(-1);
      tables.rewrite(TERA_BASE, () => block?.value ?? 0n, 39);
    },
    found: [
      ...findings(TERA, ['rs'], {
        predicted: 'translation fault level 0',
        observed: 'normal write-back',
        alone: null,
      }),
      ...findings(TERA, ['ws'], {
        predicted: 'translation fault level 0',
        observed: 'permission fault level 0',
        alone: null,
      }),
      ...findings(TERA, ['xs'], {
        predicted: 'translation fault level 0',
        observed: 'normal write-back',
        alone: null,
      }),
      ...findings(TERA, ['ru', 'wu'], {
        predicted: 'translation fault level 0',
        observed: 'permission fault level 0',
        alone: null,
      }),
      ...findings(TERA, ['xu'], {
        predicted: 'translation fault level 0',
        observed: 'normal write-back',
        alone: null,
      }),
    ],
    queried: ['0x8000000000'],
  },
  {
    name: 'T0SZ is too large by one',
    regimes: BOTH,
    regions: 'regions: [{ name: low, base: 1M, size: 4K }, { name: high, base: 128T, size: 4K }]',
    seed: (tables) => {
      tables.registers = { ...tables.registers, tcr: tables.registers.tcr + 1n };
    },
    found: findings(HIGH, ALL, { predicted: 'translation fault level 0', alone: null }),
    queried: [],
  },
  {
    name: 'EPD1 is clear, and TTBR1 leads to stale tables',
    regimes: ['el1'],
    seed: (tables) => {
      const stale = new HandmadeTables({ base: STALE_BASE }).map(STALE_PAGE, 0x3000_0000n, NORMAL);
      for (const { firstFrame, words } of stale.memory.ranges)
        tables.memory.addRange(firstFrame * 0x1000, words.buffer);
      const tcr = (tables.registers.tcr & ~(TCR_EPD1 | TCR_TG1)) | TCR_TG1_4K | TCR_T1SZ_48_BITS;
      tables.registers = { ...tables.registers, tcr, ttbr1: stale.registers.ttbr1 };
    },
    found: [
      ...findings(STALE, ['rs', 'ws', 'xs'], { predicted: 'completes', alone: null }),
      ...findings(STALE, ['ru', 'wu'], { predicted: 'permission fault level 3', alone: null }),
      ...findings(STALE, ['xu'], { predicted: 'completes', alone: null }),
    ],
    queried: [],
  },
  {
    name: 'two attributes are swapped in MAIR',
    regimes: BOTH,
    seed: (tables) => {
      tables.registers = { ...tables.registers, mair: MAIR_SWAPPED };
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
    regimes: BOTH,
    seed: (tables) => tables.rewrite(0x11_0000n, (table) => table | READ_ONLY_TABLE, 21),
    found: [
      ...findings(DEVICE, ['ws'], { predicted: 'permission fault level 3', alone: 'declared' }),
      ...findings(STACK, ['ws'], { predicted: 'permission fault level 3', alone: 'declared' }),
    ],
    queried: ['0x103000', '0x110000'],
  },
  {
    name: 'the last page of a range is missed',
    regimes: BOTH,
    seed: (tables) => tables.rewrite(0x11_f000n, () => 0n),
    found: findings(['stack', '0x11f000', '0x11fff0'], ALL, {
      predicted: 'translation fault level 3',
      alone: 'declared',
    }),
    queried: ['0x11f000'],
  },
];

const ON_EACH = BUGS.flatMap((bug) => bug.regimes.map((regime) => ({ ...bug, regime })));

describe.each([qemuAArch64, unicornAArch64])('bugs of the past, put to $name', (provider) => {
  let machine: WarmMachine;
  beforeAll(async () => {
    machine = new WarmMachine(await provider.open());
  });
  afterAll(() => machine.close());

  test.each(ON_EACH)('at $regime: $name', async ({ regime, regions = REGIONS, seed, found, queried }) => {
    const tables = new LayoutTables(`architecture: aarch64\nregime: ${regime}\n${regions}`);
    const sound = await verify(tables.input, { machines: [machine], required: true });
    expect(sound).toMatchObject({ verdict: 'agree', groups: [] });

    seed(tables);
    const report = await verify(tables.input, { machines: [machine], required: true });
    const made = found.filter(({ kind }) => regime === 'el1' || SUPERVISOR.includes(kind));
    expect(findingsOf(report)).toEqual(made);
    expect(contradictedByQuery(report)).toEqual(queried);
    expect(report.verdict).toBe('mismatch');
  });
});

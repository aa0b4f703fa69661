import { describe, expect, test } from 'vitest';
import { ALL, faults, faultsAll, lands, NORMAL, NORMAL_TYPE, Status, SUPERVISOR } from './aarch64-rows.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from './aarch64-stage-two-tables.ts';
import { aarch64Subject } from './aarch64-subject.ts';
import { Bit, HandmadeTables, Hcr, Index, type TableOptions } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import type { Row } from './expectations.ts';

/** Every one of the address bits 51:48 is set in one of these, and none in another. */
const PLACES = [0xf_1234_5670_0000n, 0x5_0000_0000_0000n, 0xa_ffff_fff0_0000n, 0x1_0000n];
/** SH0 and SH1 of TCR_EL1: inner shareable. With DS = 1 the shareability of every leaf is there. */
const TCR_SH = (3n << 12n) | (3n << 28n);
const TCR_SH_ONE = 3n << 12n;
/** Translation and address size faults of level −1 (Arm ARM D19.2.37, DFSC): no multiples of the others. */
const LEVEL_MINUS_1 = { Translation: 0b10_1011, AddressSize: 0b10_1001 } as const;
/** With DS = 1 SH is part of the address. */
const LARGE = NORMAL & ~Bit.InnerShareable;

/** What machines promise of addresses of 52 bits: FEAT_LVA, FEAT_LPA and FEAT_LPA2, at both stages. */
export function describeAArch64LargeAddressesContract(subject: MachineUnderTest): void {
  const { check, needs } = aarch64Subject(subject);
  const max = { cpu: 'max', outputBits: 52 } as const;

  const regimes: readonly (readonly [string, TableOptions])[] = [
    ['EL1&0', { tcr: TCR_SH }],
    ['EL2', { exceptionLevel: 2, tcr: TCR_SH_ONE }],
    ['EL3', { exceptionLevel: 3, tcr: TCR_SH_ONE }],
    ['EL2&0', { exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE, tcr: TCR_SH }],
  ];
  const userBit = (options: TableOptions) => (options.tcr === TCR_SH ? 0n : Bit.User);

  describe('AArch64: 64 KiB pages with addresses of 52 bits', () => {
    test.for(regimes)(
      'FEAT_LPA, %s: bits 51:48 of the output stand in 15:12',
      async ([name, options], context) => {
        await needs(['LPA', '64K', name], context);
        const image = new HandmadeTables({ ...options, ...max, pageShift: 16 });
        const attributes = NORMAL | userBit(options);
        const rows: Row[] = [];
        PLACES.forEach((place, index) => {
          const page = place & -0x1_0000n;
          const address = BigInt(index + 1) << 16n;
          image.map(address, page, attributes | Bit.ReadOnly);
          rows.push(
            lands('rs', address + 0xfff0n, page + 0xfff0n),
            lands('xs', address, page),
            faults('ws', address, Status.Permission, 3),
          );
        });
        const block = PLACES[0] as bigint & -0x2000_0000n;
        const terabytes = 0xf_0000_0000_0000n & -(1n << 42n);
        image
          .map(0x2000_0000n, block & -0x2000_0000n, attributes, 2)
          .map(1n << 42n, terabytes, attributes, 1);
        rows.push(
          lands('rs', 0x3fff_fff0n, (block & -0x2000_0000n) + 0x1fff_fff0n),
          lands('ws', (2n << 42n) - 16n, terabytes + (1n << 42n) - 16n),
          ...faultsAll(SUPERVISOR, 0x9_0000n, Status.Translation, 3),
        );
        await check(image, rows);
      },
    );

    test('FEAT_LPA: with an output size of 48 bits an address beyond it is an address size fault', async (context) => {
      await needs(['LPA', '64K', 'IPS'], context);
      const image = new HandmadeTables({ ...max, outputBits: 48, pageShift: 16 });
      image.map(0x1_0000n, 0x9000_0000n, NORMAL).map(0x2_0000n, 0x9000_0000n | 0x3000n, NORMAL);
      await check(image, [
        lands('rs', 0x1_0000n, 0x9000_0000n),
        ...faultsAll(ALL, 0x2_0000n, Status.AddressSize, 3),
      ]);
    });

    test.for(regimes)(
      'FEAT_LVA, %s: an input address of 52 bits begins at level 1',
      async ([name, options], context) => {
        await needs(['LVA', '64K', name], context);
        const image = new HandmadeTables({ ...options, ...max, pageShift: 16, t0sz: 12, t1sz: 12 });
        const attributes = NORMAL | userBit(options);
        const last = (1n << 52n) - 0x1_0000n;
        image.map(last, 0x9_0000_0000n, attributes).map(0x5_0000n, 0x3000_0000n, attributes);
        const rows = [
          lands('ws', last + 0xfff0n, 0x9_0000_fff0n),
          lands('rs', 0x5_0000n, 0x3000_0000n),
          ...faultsAll(SUPERVISOR, 1n << 51n, Status.Translation, 1),
          ...faultsAll(SUPERVISOR, 1n << 52n, Status.Translation, 0),
        ];
        if (name.endsWith('0')) {
          image.map(0xfff0_0000_0000_0000n, 0x3000_0000n, attributes);
          rows.push(
            lands('rs', 0xfff0_0000_0000_0ff0n, 0x3000_0ff0n),
            ...faultsAll(SUPERVISOR, 0xffef_ffff_ffff_0000n, Status.Translation, 0),
          );
        }
        await check(image, rows);
      },
    );
  });

  describe('AArch64 FEAT_LPA2, stage 1', () => {
    const granules = [
      [12, 4, -1],
      [14, 16, 0],
    ] as const;
    const cases = regimes.flatMap(([name, options]) =>
      granules.map(
        ([pageShift, kibibytes, rootLevel]) => [name, kibibytes, pageShift, rootLevel, options] as const,
      ),
    );

    test.for(cases)(
      '%s, %i KiB: 52 bits in and out, blocks one level higher, SH from TCR',
      async ([name, kibibytes, pageShift, rootLevel, options], context) => {
        await needs(['LPA2', `${kibibytes}K`, name], context);
        const form = { ...options, ...max, pageShift, largeDescriptors: true, t0sz: 12, t1sz: 12 } as const;
        const image = new HandmadeTables(form);
        const attributes = LARGE | userBit(options);
        const page = 1n << BigInt(pageShift);
        const top = 1n << 51n;
        const rows: Row[] = [];
        PLACES.forEach((place, index) => {
          const address = top + BigInt(index + 1) * page;
          const output = place & -page;
          image.map(address, output, attributes | Bit.ReadOnly);
          rows.push(
            lands('rs', address + page - 16n, output + page - 16n, NORMAL_TYPE),
            lands('xs', address, output, NORMAL_TYPE),
            faults('ws', address, Status.Permission, 3),
          );
        });
        const blockLevel = rootLevel + 1;
        const block = 1n << BigInt(pageShift + (3 - blockLevel) * (pageShift - 3));
        const output = 0xf_0000_0000_0000n & -block || block;
        image.map(block, output, attributes, blockLevel);
        rows.push(
          lands('ws', block, output, NORMAL_TYPE),
          lands('rs', 2n * block - 16n, output + block - 16n, NORMAL_TYPE),
          ...faultsAll(SUPERVISOR, top + 9n * page, Status.Translation, 3),
          ...faultsAll(SUPERVISOR, 1n << 52n, Status.Translation, 0),
        );
        const hole = 1n << 50n;
        const missing = rootLevel < 0 ? LEVEL_MINUS_1.Translation : Status.Translation;
        rows.push(...faultsAll(SUPERVISOR, hole, missing, 0));
        await check(image, rows);
      },
    );

    test('of Device memory the shareability is outer, whatever TCR says', async (context) => {
      await needs(['LPA2', '4K'], context);
      const image = new HandmadeTables({ ...max, largeDescriptors: true, tcr: TCR_SH });
      image.map(0x5000n, 0x9000n, Index.Device | Bit.AF).map(0x6000n, 0x9000n, Index.NonCacheable | Bit.AF);
      await check(image, [lands('rs', 0x5000n, 0x9000n, 0x204), lands('rs', 0x6000n, 0x9000n, 0x244)]);
    });

    test('an address beyond the output size is an address size fault, of level −1 too', async (context) => {
      await needs(['LPA2', '4K', 'IPS'], context);
      const image = new HandmadeTables({
        ...max,
        outputBits: 48,
        largeDescriptors: true,
        t0sz: 12,
        tcr: TCR_SH,
      });
      image.map(0x5000n, 1n << 48n, LARGE).map(0x6000n, 1n << 40n, LARGE);
      image.set(image.entryAddress(1n << 49n, -1), (1n << 48n) | Bit.Valid | Bit.TableOrPage);
      await check(image, [
        ...faultsAll(ALL, 0x5000n, Status.AddressSize, 3),
        ...faultsAll(ALL, 1n << 49n, LEVEL_MINUS_1.AddressSize, 0),
        lands('rs', 0x6000n, 1n << 40n),
      ]);
    });

    test('on a processor without it DS means nothing', async (context) => {
      await needs(['LPA2'], context);
      const image = new HandmadeTables({
        cpu: 'cortex-a72',
        outputBits: 44,
        largeDescriptors: true,
        tcr: TCR_SH_ONE,
      });
      image.map(0x5000n, 0x9000n, LARGE);
      await check(image, [lands('rs', 0x5000n, 0x9000n, 0x0ff)]);
    });
  });

  describe('AArch64 FEAT_LPA2 and FEAT_LPA, stage 2', () => {
    const forms = [
      ['4 KiB from level −1', '4K', { pageShift: 12, startLevel: -1, inputBits: 52 }],
      ['4 KiB from level 0', '4K', { pageShift: 12, startLevel: 0, inputBits: 48 }],
      ['16 KiB from level 1', '16K', { pageShift: 14, startLevel: 1, inputBits: 48 }],
    ] as const;
    const rowsOf = (image: StageTwoTables, page: bigint): Row[] => {
      const rows: Row[] = [];
      PLACES.forEach((place, index) => {
        const address = BigInt(index + 5) * page;
        const output = place & -page;
        image.map(address, output, (ALL_OF_TWO & ~Two.InnerShareable) | Two.XN);
        rows.push(
          lands('rs', address + page - 16n, output + page - 16n, 0x200),
          lands('wu', address, output, 0x200),
        );
      });
      return rows;
    };

    test.for(forms)('alone: %s', async ([, granule, form], context) => {
      await needs(['LPA2', 'stage 2', granule], context);
      const one = new HandmadeTables({ ...max, tcr: TCR_SH_ONE });
      const image = new StageTwoTables(one, { ...form, largeDescriptors: true, alone: true });
      await check(image, rowsOf(image, 1n << BigInt(form.pageShift)));
    });

    test('alone, 64 KiB with FEAT_LPA: bits 51:48 of the output stand in 15:12', async (context) => {
      await needs(['LPA', 'stage 2', '64K'], context);
      const form = { pageShift: 16, startLevel: 1, inputBits: 52, large: true } as const;
      const image = new StageTwoTables(new HandmadeTables(max), { ...form, alone: true });
      await check(image, rowsOf(image, 0x1_0000n));
    });

    test('below stage 1 with FEAT_LPA2: 52 bits of intermediate and of physical address', async (context) => {
      await needs(['LPA2', 'stage 2', '4K'], context);
      const ipa = 0xf_0000_0000_5000n;
      const one = new HandmadeTables({ ...max, largeDescriptors: true, tcr: TCR_SH });
      one.map(0x5000n, ipa, LARGE).map(0x6000n, ipa + 0x1000n, LARGE);
      const form = { pageShift: 12, startLevel: -1, inputBits: 52, largeDescriptors: true } as const;
      const image = new StageTwoTables(one, form)
        .map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO & ~Two.InnerShareable, 2)
        .map(ipa, 0xc_0000_0000_9000n, ALL_OF_TWO & ~Two.InnerShareable);
      await check(image, [
        lands('rs', 0x5010n, 0xc_0000_0000_9010n, NORMAL_TYPE),
        lands('xs', 0x5000n, 0xc_0000_0000_9000n, NORMAL_TYPE),
      ]);
    });

    test('a start level that the machine does not have is refused, and says so', async (context) => {
      await needs(['LPA2', 'stage 2', '16K'], context);
      const form = { pageShift: 14, startLevel: 0, inputBits: 50, largeDescriptors: true } as const;
      const image = new StageTwoTables(new HandmadeTables(max), { ...form, alone: true });
      await expect(subject.loaded(image)).rejects.toMatchObject({
        code: 'unfit',
        message: expect.stringMatching(/stage 2 of 50 bits from level 0 .* is not walked/),
      });
    });
  });
}

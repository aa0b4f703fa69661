import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame, MappedTables, outcomeOf, page } from '../../../test/support/mapped-tables.ts';
import { PageTableError } from '../../errors.ts';
import { Page } from './page.ts';
import { Size1GiB, Size2MiB, Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';

const { Present, Writable, UserAccessible, NoExecute, HugePage } = PageTableFlags;

test('any sequence of calls leaves the tables as a plain map of pages says, and a failed one leaves them unchanged', () => {
  const call = fc.record({
    kind: fc.constantFrom('map', 'unmap', 'update'),
    page: fc.constantFrom(0, 1, 511, 512, 2 ** 27, 2 ** 35 - 1, 2 ** 52 - 2 ** 35, 2 ** 52 - 1),
    frame: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
    flags: fc.integer({ min: 0, max: 2 ** 24 - 1 }).map((bits) => bits & ~HugePage),
    budget: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const fixture = new MappedTables();
      const { table, frames } = fixture;
      const model = new Map<number, { frame: number; flags: number }>();
      for (const { kind, page: number, frame: target, flags, budget } of calls) {
        const at = number as Page<Size4KiB>;
        const before = fixture.bytes();
        frames.remaining = budget;
        try {
          if (kind === 'map') {
            table.size4KiB.mapTo(at, target as PhysFrame<Size4KiB>, flags, frames).ignore();
            expect(model.has(number)).toBe(false);
            model.set(number, { frame: target, flags });
          } else if (kind === 'unmap') {
            expect(table.size4KiB.unmap(at).frame).toBe(model.get(number)?.frame);
            model.delete(number);
          } else {
            table.size4KiB.updateFlags(at, flags | Present).ignore();
            expect(model.has(number)).toBe(true);
            model.set(number, { frame: model.get(number)?.frame as number, flags: flags | Present });
          }
        } catch (error) {
          if (!(error instanceof PageTableError)) throw error;
          expect(fixture.isStill(before)).toBe(true);
        }
      }
      for (const number of [0, 1, 511, 512, 2 ** 27, 2 ** 35 - 1, 2 ** 52 - 2 ** 35, 2 ** 52 - 1]) {
        const result = table.translate(Page.startAddress(number as Page<Size4KiB>));
        const wanted = model.get(number);
        if (wanted === undefined) expect(result.kind).toBe('not-mapped');
        else expect(result).toMatchObject(wanted);
      }
    }),
    { numRuns: 200 },
  );
});

describe('4 KiB pages, which are found by a quick walk', () => {
  const lowerEnd = 2 ** 35;
  const goodPage = fc.oneof(
    fc.tuple(fc.constantFrom(0, 511, 512, 2 ** 18, lowerEnd - 2), fc.nat(1)).map(([a, b]) => a + b),
    fc.constantFrom(2 ** 52 - lowerEnd, 2 ** 52 - 1, 2 ** 52 - 512),
  );
  const badPage = fc.constantFrom(
    -1,
    0.5,
    Number.NaN,
    lowerEnd,
    2 ** 52 - lowerEnd - 1,
    2 ** 52,
    2 ** 36 - 1,
    1e300,
  );
  const call = fc.record({
    kind: fc.constantFrom('map', 'unmap', 'update', 'translate'),
    page: fc.oneof({ weight: 8, arbitrary: goodPage }, { weight: 1, arbitrary: badPage }),
    frame: fc.constantFrom(0, 1, 2 ** 20, 2 ** 40 - 1, 2 ** 40, 0.5, -1),
    flags: fc.constantFrom(
      Present,
      Present | Writable,
      Present | Writable | UserAccessible | NoExecute,
      Present | HugePage,
      Writable,
    ),
  });

  test('are mapped as by the general walk, whatever page, frame and flags are given', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        const quick = new MappedTables();
        const plain = new MappedTables();
        for (const { kind, page, frame, flags } of calls) {
          const [one, other] = [quick, plain].map(({ table, frames }) => {
            const at = page as Page<Size4KiB>;
            const to = frame as PhysFrame<Size4KiB>;
            const { size4KiB } = table;
            return outcomeOf(() => {
              if (kind === 'update') return size4KiB.updateFlags(at, flags).page;
              if (kind === 'unmap') return size4KiB.unmap(at).frame;
              if (kind === 'translate') return size4KiB.translatePage(at);
              // only mapTo takes the quick walk
              const parents = flags & (Present | Writable | UserAccessible);
              return table === quick.table
                ? size4KiB.mapTo(at, to, flags, frames).page
                : size4KiB.mapToWithTableFlags(at, to, flags, parents, frames).page;
            });
          });
          expect(one).toEqual(other);
          if (Number.isInteger(page) && page >= 0 && page < lowerEnd) {
            const address = page * 4096 + 0x123;
            expect(quick.table.translate(address)).toEqual(quick.table.translate(BigInt(address)));
          }
          expect(quick.bytes().equals(plain.bytes())).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('translate alike from a number and a bigint', () => {
    const { table, frames } = new MappedTables();
    const flags = Present | Writable | NoExecute;
    const to = frame(Size4KiB, 0xf_ffff_ffff_f000n);
    table.size4KiB.mapTo(page(Size4KiB, 0x7f_f000), to, Present, frames).ignore();
    table.size4KiB.mapTo(page(Size4KiB, 0x7f_e000), to, flags, frames).ignore();
    for (const address of [0x7f_efff, 0x7f_f123, 0x7f_d000, 0, 2 ** 47 - 1, 2 ** 47]) {
      expect(outcomeOf(() => table.translate(address))).toEqual(
        outcomeOf(() => table.translate(BigInt(address))),
      );
    }
    table.size4KiB.setFlagsP4Entry(page(Size4KiB, 0), Present | NoExecute).ignore();
    expect(table.translate(0x7f_f123)).toEqual(table.translate(0x7f_f123n));
  });
});

test('addresses given as numbers and as bigints name the same pages and frames, or fail alike', () => {
  const address = fc.oneof(
    fc
      .tuple(fc.constantFrom(0, 2 ** 21, 2 ** 30, 2 ** 47, 2 ** 52), fc.integer({ min: -2, max: 2 }))
      .map(([at, pages]) => at + pages * 4096),
    fc.maxSafeNat(),
    fc.integer(),
  );
  fc.assert(
    fc.property(
      address,
      fc.constantFrom(Size4KiB, Size2MiB, Size1GiB),
      fc.constantFrom(48, 57),
      (at, size, bits) => {
        for (const place of [at, at - (at % size.bytes)]) {
          const [number, bigint] = [place, BigInt(place)].map((form) => [
            outcomeOf(() => Page.fromStartAddress(size, form, bits as 48 | 57)),
            outcomeOf(() => PhysFrame.fromStartAddress(size, form)),
          ]);
          if (place >= 0) expect(number).toEqual(bigint);
          else
            expect(
              [...(number ?? []), ...(bigint ?? [])].every((outcome) => typeof outcome === 'string'),
            ).toBe(true);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test.each([Size4KiB, Size2MiB, Size1GiB])(
  'a page and a frame are the number of 4 KiB units before them: $name',
  (size) => {
    for (const units of [0, 1, 2 ** 10]) {
      for (const form of [units * size.bytes, BigInt(units * size.bytes)]) {
        expect(Page.fromStartAddress(size, form)).toBe((units * size.bytes) / 4096);
        expect(PhysFrame.fromStartAddress(size, form)).toBe((units * size.bytes) / 4096);
      }
    }
  },
);

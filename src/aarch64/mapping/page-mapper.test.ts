import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NORMAL, PAGE, READ_ONLY, snapshot } from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import {
  type Address,
  Constraints,
  El1And0,
  El1Attributes,
  Mapping,
  MemoryRegion,
  PageTableError,
  PhysicalMemory,
} from '../../index.ts';

const FRAMES = 24;
/** Tables in two ranges whose frame numbers agree in their low bits, so that only the high ones tell them apart. */
const TABLES = [0x1_0000_0000, 0x3_0000_0000] as const;

interface Call {
  readonly page: number;
  readonly count: number;
  readonly shift: number;
  readonly flags: typeof NORMAL;
  readonly constraints: number;
}

const call: fc.Arbitrary<Call> = fc.record({
  page: fc.oneof(fc.nat(40), fc.constantFrom(511, 512, 1023, 2 ** 18, 2 ** 27, 2 ** 30, 2 ** 35)),
  count: fc.oneof(
    { weight: 6, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.constantFrom(16, 512) },
  ),
  shift: fc.constantFrom(0, 0, 0, 5, 2 ** 30, 2 ** 36 - 1, 2 ** 36),
  flags: fc.constantFrom(NORMAL, NORMAL, READ_ONLY, El1Attributes.Empty),
  constraints: fc.constantFrom(Constraints.None, Constraints.NoBlockMappings),
});

/** A mapping whose tables come from both ranges in turn. */
class Subject {
  readonly memory = new PhysicalMemory();
  readonly map: Mapping<typeof El1And0>;
  readonly #firstPage: number;
  readonly #pages: number;

  constructor(rootLevel: number, vaRange: 'lower' | 'upper', ranges: number) {
    for (const base of TABLES) this.memory.addRange(base, new ArrayBuffer(FRAMES * PAGE));
    let used = 0;
    const allocatePage = (): Address => {
      const [range, frame] = [used % ranges, Math.floor(used / ranges)];
      used++;
      return (TABLES[range] as number) + (frame % FRAMES) * PAGE;
    };
    const { memory } = this;
    this.map = new Mapping({
      regime: El1And0,
      rootLevel,
      vaRange,
      asid: 1,
      memory,
      allocator: { allocatePage },
    });
    this.#pages = Number(this.map.size / BigInt(PAGE));
    this.#firstPage = vaRange === 'lower' ? 0 : 2 ** 52 - this.#pages;
  }

  /** @returns what became of the call */
  run({ page, count, shift, flags, constraints }: Call): string {
    const first = this.#firstPage + (page % this.#pages);
    const region = MemoryRegion.ofPages(first, Math.min(first + count, 2 ** 52));
    try {
      this.map.mapRange(region, BigInt(page + shift) * BigInt(PAGE), flags, constraints);
      return 'mapped';
    } catch (error) {
      if (error instanceof PageTableError) return error.message;
      throw error;
    }
  }

  /** What makes the next call walk plainly. */
  forget(): void {
    this.map.markActive();
    this.map.markInactive();
  }
}

test.each([
  [0, 'lower', 1],
  [0, 'lower', 2],
  [0, 'upper', 1],
  [1, 'lower', 1],
  [1, 'upper', 2],
  [2, 'lower', 1],
  [3, 'upper', 1],
] as const)(
  'from a level %d root of the %s range, tables in %d ranges: page by page as if each call were the first',
  (rootLevel, vaRange, ranges) => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 20 }), (calls) => {
        const quick = new Subject(rootLevel, vaRange, ranges);
        const plain = new Subject(rootLevel, vaRange, ranges);
        for (const each of calls) {
          plain.forget();
          expect(quick.run(each)).toBe(plain.run(each));
          expect(snapshot(quick.memory)).toEqual(snapshot(plain.memory));
        }
      }),
      { numRuns: 60 },
    );
  },
);

test('flags that were refused once are refused for a page that could be mapped quickly', () => {
  const { map } = new Subject(1, 'lower', 1);
  const page = MemoryRegion.ofPages(3, 4);
  map.mapRange(page, 0x3000, NORMAL);
  const table = El1Attributes.union(NORMAL, El1Attributes.TableOrPage);
  for (let time = 0; time < 2; time++) {
    expect(errorOf(() => map.mapRange(page, 0x3000, table)).code).toBe('InvalidFlags');
    expect(errorOf(() => map.mapRange(page, 0x3008, NORMAL)).code).toBe('UnalignedAddress');
  }
});

test('what is no attribute word is refused, whatever was asked for before', () => {
  const { map } = new Subject(1, 'lower', 1);
  const page = MemoryRegion.ofPages(3, 4);
  const none = -1 as typeof NORMAL;
  for (const flags of [none, 0.5 as typeof NORMAL, NORMAL, none]) {
    const attempts = [
      () => map.mapRange(page, 0x3000, flags),
      () => map.modifyRange(page, (descriptor) => descriptor.modifyFlags(flags, flags)),
    ];
    for (const attempt of attempts) {
      if (flags === NORMAL) attempt();
      else expect(errorOf(attempt).message).toMatch(/is no value of El1Attributes/);
    }
  }
});

test('a page of tables in use, or of a broken range, is not mapped quickly', () => {
  const { map } = new Subject(1, 'lower', 1);
  const page = MemoryRegion.ofPages(3, 4);
  map.mapRange(page, 0x3000, NORMAL);
  map.markActive();
  expect(errorOf(() => map.mapRange(page, 0x4000, NORMAL)).code).toBe('BreakBeforeMakeViolation');
  map.markInactive();
  map.mapRange(page, 0x3000, NORMAL);
  const broken = map.breakRange(page);
  expect(() => map.mapRange(page, 0x4000, NORMAL)).toThrow(/must be made before/);
  broken.restore();
  map.mapRange(page, 0x4000, NORMAL);
});

test('a page is not mapped from within a callback that changes the tables', () => {
  const { map } = new Subject(1, 'lower', 1);
  const page = MemoryRegion.ofPages(3, 4);
  map.mapRange(page, 0x3000, NORMAL);
  const nested = () => map.modifyRange(page, () => void map.mapRange(page, 0x4000, NORMAL));
  expect(nested).toThrow(/cannot be changed from within a callback/);
  expect(map.print()).toMatch(/page → 0x3000/);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NORMAL, PAGE, READ_ONLY, snapshot } from '../../../test/mappings/tables.ts';
import {
  Constraints,
  El1And0,
  El1Attributes,
  FailingAllocator,
  type GranuleName,
  invalidatedAddress,
  Mapping,
  MemoryRegion,
  PageTableError,
  PhysicalMemory,
  SequentialAllocator,
  type TlbMaintenance,
} from '../../index.ts';

/** What the trials know of a granule's tables; pages are the granule's. */
interface Shape {
  readonly granule: GranuleName;
  /** 4 KiB pages of a page. */
  readonly unit: number;
  /** Pages of a block at level 2, and how many there and at level 3 share the contiguous bit. */
  readonly block: number;
  readonly run: number;
  readonly blockRun: number;
  readonly rootLevel: number;
}

const SHAPES: Readonly<Record<GranuleName, Shape>> = {
  '4K': { granule: '4K', unit: 1, block: 512, run: 16, blockRun: 16, rootLevel: 1 },
  '16K': { granule: '16K', unit: 4, block: 2048, run: 128, blockRun: 32, rootLevel: 2 },
  '64K': { granule: '64K', unit: 16, block: 8192, run: 32, blockRun: 32, rootLevel: 2 },
};
const TABLES = 0x1_0000_0000;
const TABLE_COUNT = 13;
const { Empty, Valid, ReadOnly, User, SoftwareFlag1, ContiguousOrProtected, TableOrPage } = El1Attributes;
const ENGINE_BITS = El1Attributes.union(ContiguousOrProtected, TableOrPage);

interface Page {
  readonly frame: number;
  readonly flags: number;
}

interface Leaf extends Page {
  /** First page of the leaf, and of its contiguous run; they end behind the last page. */
  readonly first: number;
  readonly count: number;
  readonly hinted: boolean;
}

type Step =
  | {
      readonly kind: 'map';
      readonly first: number;
      readonly count: number;
      readonly frame: number;
      readonly flags: number;
      readonly constraints: number;
    }
  | {
      readonly kind: 'modify';
      readonly first: number;
      readonly count: number;
      readonly set: number;
      readonly clear: number;
    }
  | { readonly kind: 'compact' | 'activate' | 'deactivate' };

/** Ranges around the first two blocks of what the tables translate. */
const rangeIn = ({ block, run }: Shape) =>
  fc.record({
    first: fc.oneof(fc.nat(2 * block + 75), fc.constantFrom(0, run, block, 2 * block)),
    count: fc.oneof(fc.integer({ min: 1, max: 2 * run + 8 }), fc.constantFrom(run, block, 2 * block)),
  });
const stepIn = (shape: Shape): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .tuple(
          rangeIn(shape),
          fc.constantFrom(0, 0, 0, shape.run, 3, shape.block),
          fc.constantFrom(NORMAL, NORMAL, READ_ONLY, Empty),
          fc.constantFrom(Constraints.None, Constraints.NoBlockMappings, Constraints.NoContiguousHint),
        )
        .map(([{ first, count }, shift, flags, constraints]) => ({
          kind: 'map' as const,
          first,
          count,
          frame: first + shift,
          flags,
          constraints,
        })),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          rangeIn(shape),
          fc.constantFrom(ReadOnly, User, SoftwareFlag1, Empty),
          fc.constantFrom(Empty, ReadOnly, Valid),
        )
        .map(([{ first, count }, set, clear]) => ({ kind: 'modify' as const, first, count, set, clear })),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('compact', 'activate', 'deactivate').map((kind) => ({ kind }) as Step),
    },
  );

class Trial {
  readonly memory;
  readonly allocator;
  readonly map: Mapping<typeof El1And0>;
  readonly #shape: Shape;
  /** The first 4 KiB page of all, and how many of the granule's pages take part. */
  readonly #base: number;
  readonly #end: number;
  #model = new Map<number, Page>();

  constructor(shape: Shape, vaRange: 'lower' | 'upper', tables: number, contiguousHints: boolean) {
    const { granule, unit, block, rootLevel } = shape;
    const size = TABLE_COUNT * unit * PAGE;
    this.#shape = shape;
    this.memory = PhysicalMemory.allocate(TABLES, size);
    this.allocator = new SequentialAllocator(TABLES, size);
    const { allocator, memory } = this;
    const failing = new FailingAllocator(allocator, tables);
    this.map = new Mapping({
      regime: El1And0,
      rootLevel,
      granule,
      asid: 1,
      vaRange,
      memory,
      allocator: {
        allocatePage: (align, size, isRoot) => failing.allocatePage(align, size, isRoot),
        releasePage: (address, size) => allocator.releasePage(address, size),
      },
      contiguousHints,
    });
    this.#end = vaRange === 'lower' ? 4 * block + 200 : 3 * block;
    this.#base = vaRange === 'lower' ? 0 : 2 ** 52 - this.#end * unit;
  }

  run(step: Step): void {
    const before = this.#leaves();
    const image = snapshot(this.memory);
    const frames = this.allocator.allocatedPages;
    const live = this.map.active;
    let maintenance: TlbMaintenance;
    try {
      maintenance = this.#apply(step);
    } catch (error) {
      if (!(error instanceof PageTableError)) throw error;
      expect(['OutOfResources', 'BreakBeforeMakeViolation']).toContain(error.code);
      if (error.code === 'BreakBeforeMakeViolation') expect(live).toBe(true);
      expect(snapshot(this.memory)).toEqual(image);
      expect(this.allocator.allocatedPages).toBe(frames);
      return;
    }
    const after = this.#leaves();
    this.#expectModel(step, after);
    this.#expectWholeRuns(after);
    if (live) {
      this.#expectNothingStale(before, after, maintenance);
      expectNoBreakNeeded(before, after);
    } else expect(maintenance).toEqual([]);
  }

  #apply(step: Step): TlbMaintenance {
    switch (step.kind) {
      case 'map': {
        const { first, count, frame, flags, constraints } = step;
        return this.map.mapRange(
          this.#region(first, count),
          frame * this.#shape.unit * PAGE,
          flags as typeof NORMAL,
          constraints,
        );
      }
      case 'modify':
        return this.map.modifyRange(this.#region(step.first, step.count), (descriptor) => {
          if (descriptor.isValid) {
            descriptor.modifyFlags(step.set as typeof NORMAL, step.clear as typeof NORMAL);
          }
        });
      case 'compact':
        return this.map.compactSubtables();
      case 'activate':
        if (!this.map.active) this.map.markActive();
        return [];
      case 'deactivate':
        if (this.map.active) this.map.markInactive();
        return [];
    }
  }

  /** Brings the model to where the step should have led, and compares. */
  #expectModel(step: Step, after: ReadonlyMap<number, Leaf>): void {
    if (step.kind === 'map' || step.kind === 'modify') {
      for (let page = step.first; page < Math.min(step.first + step.count, this.#end); page++) {
        const old = this.#model.get(page);
        const flags = step.kind === 'map' ? step.flags : ((old?.flags ?? 0) | step.set) & ~step.clear;
        const frame = step.kind === 'map' ? step.frame + page - step.first : (old?.frame ?? 0);
        if (step.kind === 'modify' && old === undefined) continue;
        if ((flags & Valid & 1) === 0) this.#model.delete(page);
        else this.#model.set(page, { frame, flags: flags | El1Attributes.kind });
      }
    }
    const found = [...after].map(([page, { frame, flags }]) => [page, frame, flags]);
    const wanted = [...this.#model]
      .sort(([a], [b]) => a - b)
      .map(([page, { frame, flags }]) => [page, frame, flags]);
    expect(found.join('\n')).toEqual(wanted.join('\n'));
  }

  /** Whatever a TLB has kept of the old translations is still true once the maintenance has been run. */
  #expectNothingStale(
    before: ReadonlyMap<number, Leaf>,
    after: ReadonlyMap<number, Leaf>,
    maintenance: TlbMaintenance,
  ): void {
    const kept = new Map(before);
    for (const operation of maintenance) {
      if (operation.kind !== 'tlbi') continue;
      const address = invalidatedAddress(operation);
      if (address === undefined) return;
      const leaf = kept.get((Number(address >> 12n) - this.#base) / this.#shape.unit);
      for (let k = 0; k < (leaf?.count ?? 0); k++) kept.delete((leaf?.first ?? 0) + k);
    }
    for (const [page, { frame, flags }] of kept) {
      const now = after.get(page);
      if (now?.frame !== frame || now.flags !== flags)
        expect.unreachable(`a TLB may hold the old page ${page}`);
    }
  }

  #region(first: number, count: number): MemoryRegion {
    const pageOf = (index: number): number => this.#base + Math.min(index, this.#end) * this.#shape.unit;
    return MemoryRegion.ofPages(pageOf(first), pageOf(first + count));
  }

  /** Every mapped page, with the leaf that maps it. */
  #leaves(): Map<number, Leaf> {
    const { unit } = this.#shape;
    const pages = new Map<number, Leaf>();
    this.map.walkRange(this.#region(0, this.#end), (descriptor) => {
      if (!descriptor.isValid) return;
      const { startPage, outputFrame, flags } = descriptor;
      const first = (startPage - this.#base) / unit;
      const count = descriptor.pageCount / unit;
      const frame = outputFrame / unit;
      const hinted = El1Attributes.contains(flags, ContiguousOrProtected);
      for (let k = 0; k < count; k++) {
        const own = El1Attributes.without(flags, ENGINE_BITS);
        pages.set(first + k, { frame: frame + k, flags: own, first, count, hinted });
      }
    });
    return pages;
  }

  /** A leaf with the contiguous bit has neighbours that are alike, in an aligned run of the architecture's length. */
  #expectWholeRuns(leaves: ReadonlyMap<number, Leaf>): void {
    const { run, blockRun } = this.#shape;
    for (const [page, leaf] of leaves) {
      if (!leaf.hinted) continue;
      const pages = leaf.count * (leaf.count === 1 ? run : blockRun);
      const start = page - (page % pages);
      const first = leaves.get(start);
      const isAlike =
        first !== undefined &&
        first.frame % pages === 0 &&
        first.hinted &&
        first.flags === leaf.flags &&
        first.count === leaf.count &&
        first.frame + page - start === leaf.frame &&
        leaves.get(start + pages - 1)?.hinted === true;
      if (!isAlike) expect.unreachable(`page ${page} has the contiguous bit, but no run`);
    }
  }
}

/** What was mapped before and still is has the same output and size. */
function expectNoBreakNeeded(before: ReadonlyMap<number, Leaf>, after: ReadonlyMap<number, Leaf>): void {
  for (const [page, old] of before) {
    const now = after.get(page);
    if (now === undefined) continue;
    if (now.frame !== old.frame || now.count !== old.count || now.hinted !== old.hinted) {
      expect.unreachable(`page ${page} was remade without a break`);
    }
  }
}

test.each([
  ['4K', 'lower', true, 100],
  ['4K', 'lower', false, 100],
  ['4K', 'upper', true, 100],
  ['16K', 'lower', true, 25],
  ['16K', 'upper', true, 25],
  ['64K', 'lower', true, 10],
  ['64K', 'upper', false, 10],
] as const)(
  '%s pages in the %s range (hints: %s): mappings are what was asked for, failures change nothing, no TLB is left stale',
  (granule, vaRange, hints, numRuns) => {
    const shape = SHAPES[granule];
    const steps = fc.array(stepIn(shape), { maxLength: 12 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: TABLE_COUNT - 1 }), (each, tables) => {
        const trial = new Trial(shape, vaRange, tables, hints);
        for (const one of each) trial.run(one);
      }),
      { numRuns },
    );
  },
);

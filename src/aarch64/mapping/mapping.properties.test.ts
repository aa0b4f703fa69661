import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NORMAL, PAGE, READ_ONLY, snapshot, tableMemory } from '../../../test/mappings/tables.ts';
import {
  Constraints,
  El1And0,
  El1Attributes,
  FailingAllocator,
  invalidatedAddress,
  Mapping,
  MemoryRegion,
  PageTableError,
  type TlbMaintenance,
} from '../../index.ts';

/** Pages around the end of the first 2 MiB of what the tables translate, and the last ones of the address space. */
const WINDOW = 1100;
/** Pages of the upper range that take part: those up to the last one. */
const UPPER_PAGES = 1536;
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

const range = fc.record({
  first: fc.oneof(fc.nat(WINDOW - 1), fc.constantFrom(0, 16, 512, 1024)),
  count: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(16, 512, 1024)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(
        range,
        fc.constantFrom(0, 0, 0, 16, 3, 512),
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
        range,
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
  readonly #base: number;
  readonly #end: number;
  #model = new Map<number, Page>();

  constructor(vaRange: 'lower' | 'upper', frames: number, contiguousHints: boolean) {
    const { memory, allocator } = tableMemory();
    this.memory = memory;
    this.allocator = allocator;
    const failing = new FailingAllocator(allocator, frames);
    this.map = new Mapping({
      regime: El1And0,
      rootLevel: 1,
      asid: 1,
      vaRange,
      memory,
      allocator: {
        allocatePage: () => failing.allocatePage(PAGE, PAGE, false),
        releasePage: (address) => allocator.releasePage(address),
      },
      contiguousHints,
    });
    this.#base = vaRange === 'lower' ? 0 : 2 ** 52 - UPPER_PAGES;
    this.#end = vaRange === 'lower' ? 2 * WINDOW : UPPER_PAGES;
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
    expectWholeRuns(after);
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
          frame * PAGE,
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
      const leaf = kept.get(Number(address >> 12n) - this.#base);
      for (let k = 0; k < (leaf?.count ?? 0); k++) kept.delete((leaf?.first ?? 0) + k);
    }
    for (const [page, { frame, flags }] of kept) {
      const now = after.get(page);
      if (now?.frame !== frame || now.flags !== flags)
        expect.unreachable(`a TLB may hold the old page ${page}`);
    }
  }

  #region(first: number, count: number): MemoryRegion {
    return MemoryRegion.ofPages(this.#base + first, this.#base + Math.min(first + count, this.#end));
  }

  /** Every mapped page, with the leaf that maps it. */
  #leaves(): Map<number, Leaf> {
    const pages = new Map<number, Leaf>();
    this.map.walkRange(this.#region(0, 4096), (descriptor) => {
      if (!descriptor.isValid) return;
      const { startPage, pageCount, outputFrame, flags } = descriptor;
      const first = startPage - this.#base;
      const hinted = El1Attributes.contains(flags, ContiguousOrProtected);
      for (let k = 0; k < pageCount; k++) {
        const own = El1Attributes.without(flags, ENGINE_BITS);
        pages.set(first + k, { frame: outputFrame + k, flags: own, first, count: pageCount, hinted });
      }
    });
    return pages;
  }
}

/** A leaf with the contiguous bit has 15 neighbours that are alike, in an aligned run. */
function expectWholeRuns(leaves: ReadonlyMap<number, Leaf>): void {
  for (const [page, leaf] of leaves) {
    if (!leaf.hinted) continue;
    const pages = leaf.count * 16;
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
  ['lower', true],
  ['lower', false],
  ['upper', true],
] as const)(
  'in the %s range (hints: %s) mappings are what was asked for, failures change nothing, no TLB is left stale',
  (vaRange, hints) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 12 }), (steps, frames) => {
        const trial = new Trial(vaRange, frames, hints);
        for (const each of steps) trial.run(each);
      }),
      { numRuns: 100 },
    );
  },
);

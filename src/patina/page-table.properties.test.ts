import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf, contents, newAArch64, newX64, tableMemory } from '../../test/support/page-tables.ts';
import { PageTableError } from '../errors.ts';
import { FailingAllocator } from '../memory/failing-allocator.ts';
import { MemoryAttributes } from '../memory-attributes.ts';
import type { PageTableOptions, PatinaPageTable } from './page-table.ts';
import { PagingType } from './paging-type.ts';

const { ExecuteProtect, ReadOnly, ReadProtect, Supervisor, Uncached, Writeback, WriteThrough } =
  MemoryAttributes;

const PAGES_2M = 512;
const PAGES_1G = 512 * 512;
const FRAMES = 256;

/** A page table and the attribute words to try on it, with what a query answers for each. */
interface Subject {
  readonly name: string;
  readonly create: (options: Partial<PageTableOptions>) => PatinaPageTable;
  readonly attributes: readonly number[];
  readonly read: (attributes: number) => number;
}

const X64_WORDS = [0, ReadOnly, ExecuteProtect, ReadOnly | ExecuteProtect, ReadProtect];
const AARCH64_WORDS = [
  Writeback,
  Writeback | ReadOnly,
  WriteThrough,
  Uncached | ExecuteProtect,
  Writeback | ReadProtect,
];

const SUBJECTS: readonly Subject[] = [
  { name: 'x64 4-level', create: newX64, attributes: X64_WORDS, read: (word) => word },
  {
    name: 'x64 5-level with the supervisor attribute',
    create: (options) =>
      newX64({ ...options, pagingType: PagingType.Paging5Level, supervisorAttribute: true }),
    attributes: [...X64_WORDS, Supervisor | ReadOnly],
    read: (word) => word,
  },
  { name: 'AArch64 EL2', create: newAArch64, attributes: AARCH64_WORDS, read: (word) => word },
  {
    name: 'AArch64 EL1',
    create: (options) => newAArch64({ ...options, regime: 'el1' }),
    attributes: AARCH64_WORDS,
    read: (word) => word,
  },
];

/** Ranges whose ends lie on and around the edges of large pages, within 3 GiB. */
const pageNumber = fc
  .tuple(fc.constantFrom(1, PAGES_2M, PAGES_1G), fc.nat(2), fc.integer({ min: -2, max: 2 }))
  .map(([unit, multiple, offset]) => Math.max(0, unit * multiple + offset));
const range = fc
  .tuple(pageNumber, pageNumber)
  .map(([a, b]) => ({ first: Math.min(a, b), end: Math.max(a, b) + 1 }));

type Step = { readonly first: number; readonly end: number; readonly choice: number | undefined };
const step: fc.Arbitrary<Step> = fc
  .tuple(range, fc.option(fc.nat(99), { nil: undefined, freq: 4 }))
  .map(([{ first, end }, choice]) => ({ first, end, choice }));

/** Which attributes each page has, as runs: what the tables should say. */
class Model {
  #runs: { first: number; end: number; attributes: number }[] = [];

  set(first: number, end: number, attributes: number | undefined): void {
    const rest = this.#runs.flatMap((run) =>
      [
        { ...run, end: Math.min(run.end, first) },
        { ...run, first: Math.max(run.first, end) },
      ].filter((part) => part.first < part.end),
    );
    if (attributes !== undefined) rest.push({ first, end, attributes });
    this.#runs = rest.sort((a, b) => a.first - b.first);
  }

  /** Runs of equal attributes, joined. */
  runs(): { first: number; end: number; attributes: number }[] {
    return joined(this.#runs);
  }

  /** What a query of the range answers: attributes or an error code. */
  query(first: number, end: number): number | string {
    const runs = this.#runs.filter((run) => run.first < end && run.end > first);
    const [head] = runs;
    if (head === undefined) return 'NoMapping';
    if (head.first > first) return 'InconsistentMappingAcrossRange';
    let covered = head.end;
    for (const run of runs.slice(1)) {
      if (run.first > covered) return 'InconsistentMappingAcrossRange';
      if (run.attributes !== head.attributes) return 'NonUniformMemoryAttributes';
      covered = run.end;
    }
    return covered < end ? 'InconsistentMappingAcrossRange' : head.attributes;
  }
}

function joined(runs: readonly { first: number; end: number; attributes: number }[]) {
  const result: { first: number; end: number; attributes: number }[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    if (last !== undefined && last.end === run.first && last.attributes === run.attributes)
      last.end = run.end;
    else result.push({ ...run });
  }
  return result;
}

function perform(table: PatinaPageTable, subject: Subject, { first, end, choice }: Step): number | undefined {
  const [address, size] = [first * 4096, (end - first) * 4096];
  if (choice === undefined) {
    table.unmapMemoryRegion(address, size);
    return undefined;
  }
  const attributes = subject.attributes[choice % subject.attributes.length] as number;
  table.mapMemoryRegion(address, size, attributes);
  return attributes;
}

function tableRuns(table: PatinaPageTable) {
  const runs: { first: number; end: number; attributes: number }[] = [];
  for (const { virtualAddress, physicalAddress, size, attributes } of table.mappedRegions()) {
    expect(physicalAddress).toBe(virtualAddress);
    const first = Number(virtualAddress >> 12n);
    runs.push({ first, end: first + Number(size >> 12n), attributes });
  }
  return joined(runs);
}

describe.each(SUBJECTS)('$name tables', (subject) => {
  test('say of every range what was last done to it', () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(steps, fc.array(range, { maxLength: 12 }), (done, asked) => {
        const table = subject.create(tableMemory(FRAMES));
        const model = new Model();
        for (const each of done) {
          const attributes = perform(table, subject, each);
          const present = attributes !== undefined && (attributes & ReadProtect) === 0;
          model.set(each.first, each.end, present ? subject.read(attributes) : undefined);
        }
        expect(tableRuns(table)).toEqual(model.runs());
        for (const { first, end } of asked) {
          let answer: number | string | undefined;
          const code = codeOf(() => {
            answer = table.queryMemoryRegion(first * 4096, (end - first) * 4096);
          });
          expect(code ?? answer).toBe(model.query(first, end));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('list from any address on what they list from there in full', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), pageNumber, (done, start) => {
        const table = subject.create(tableMemory(FRAMES));
        for (const each of done) perform(table, subject, each);
        const behind = [...table.mappedRegions()].filter(
          ({ virtualAddress, size }) => virtualAddress + size > BigInt(start) * 4096n,
        );
        expect([...table.mappedRegions(start * 4096)]).toEqual(behind);
      }),
      { numRuns: 60 },
    );
  });

  test('are the same bytes after an operation that ran out of frames, and all frames are back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 5 }), step, fc.nat(6), (done, failing, frames) => {
        const { memory, allocator } = tableMemory(FRAMES);
        const limited = new FailingAllocator(allocator, FRAMES);
        const table = subject.create({ memory, allocator: limited });
        for (const each of done) perform(table, subject, each);
        const before = contents(memory);
        const pages = allocator.allocatedPages;
        limited.remaining = frames;
        const code = codeOf(() => perform(table, subject, failing));
        if (code === undefined) {
          expect(allocator.allocatedPages - pages).toBeLessThanOrEqual(frames);
          return;
        }
        expect(code).toBe('OutOfResources');
        expect(contents(memory)).toEqual(before);
        expect([allocator.allocatedPages, limited.remaining]).toEqual([pages, frames]);
      }),
      { numRuns: 100 },
    );
  });
});

describe.each(SUBJECTS)('$name: an operation that needs several frames', (subject) => {
  /** Splits a 1 GiB page at one end and a 2 MiB page at the other, and fills a gap between. */
  function prepared(limit: number) {
    const { memory, allocator } = tableMemory(FRAMES);
    const limited = new FailingAllocator(allocator, FRAMES);
    const table = subject.create({ memory, allocator: limited });
    const [attributes] = subject.attributes as [number];
    table.mapMemoryRegion(0, PAGES_1G * 4096, attributes);
    table.mapMemoryRegion(3 * PAGES_1G * 4096, PAGES_2M * 4096, attributes);
    limited.remaining = limit;
    return { memory, allocator, table };
  }
  const first = (PAGES_1G - 1) * 4096;
  const size = (2 * PAGES_1G + 2) * 4096;
  const attributes = subject.attributes[1] as number;

  test.each([
    ['mapping', (table: PatinaPageTable) => table.mapMemoryRegion(first, size, attributes), 3],
    ['unmapping', (table: PatinaPageTable) => table.unmapMemoryRegion(first, size), 3],
  ])(
    '%s changes nothing at every count of frames that is too low, and no more than it needs otherwise',
    (_, operate, needed) => {
      for (let limit = 0; limit < needed; limit++) {
        const { memory, allocator, table } = prepared(limit);
        const before = contents(memory);
        const pages = allocator.allocatedPages;
        expect(codeOf(() => operate(table))).toBe('OutOfResources');
        expect(contents(memory)).toEqual(before);
        expect(allocator.allocatedPages).toBe(pages);
      }
      const { allocator, table } = prepared(needed);
      const pages = allocator.allocatedPages;
      operate(table);
      expect(allocator.allocatedPages - pages).toBe(needed);
    },
  );

  test('creation gives back what it took at every count of frames that is too low', () => {
    const { allocator: unlimited, memory: large } = tableMemory(FRAMES);
    subject.create({ memory: large, allocator: unlimited });
    for (let limit = 0; limit < unlimited.allocatedPages; limit++) {
      const { memory, allocator } = tableMemory(FRAMES);
      const create = () => subject.create({ memory, allocator: new FailingAllocator(allocator, limit) });
      expect(codeOf(create)).toBe('OutOfResources');
      expect(allocator.allocatedPages).toBe(0);
      expect(contents(memory)).toEqual(contents(tableMemory(FRAMES).memory));
    }
  });

  test('leaves behind what it did until then where atomicity is turned off', () => {
    const { memory, allocator } = tableMemory(FRAMES);
    const limited = new FailingAllocator(allocator, FRAMES);
    const table = subject.create({ memory, allocator: limited, atomic: false });
    const pages = allocator.allocatedPages;
    limited.remaining = 1;
    expect(() => table.mapMemoryRegion(0, 4096, attributes)).toThrow(PageTableError);
    expect(allocator.allocatedPages).toBe(pages + 1);
    expect([...table.mappedRegions()]).toEqual([]);
  });
});

describe('a failed operation', () => {
  test('takes back leaves that it had written before the tables left the memory', () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator });
    table.mapMemoryRegion(0, 4 * PAGES_2M * 4096, 0);
    table.mapMemoryRegion(3 * PAGES_2M * 4096, 4096, ReadOnly);
    memory.writeEntry(0x1_0000_5018, 0x7000_0000_0007n); // the PD entry for 6 MiB: a table outside the memory
    const before = contents(memory);
    expect(codeOf(() => table.mapMemoryRegion(0, 3 * PAGES_2M * 4096 + 8192, ReadOnly))).toBe(
      'TableOutsideMemory',
    );
    expect(contents(memory)).toEqual(before);
    expect(codeOf(() => table.unmapMemoryRegion(0, 3 * PAGES_2M * 4096 + 8192))).toBe('TableOutsideMemory');
    expect(contents(memory)).toEqual(before);
  });

  test('with attributes that cannot be encoded leaves a block unsplit', () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator });
    table.mapMemoryRegion(0, PAGES_2M * 4096, Writeback);
    const before = contents(memory);
    const pages = allocator.allocatedPages;
    expect(codeOf(() => table.mapMemoryRegion(4096, 4096, Uncached))).toBe('IncompatibleMemoryAttributes');
    expect(contents(memory)).toEqual(before);
    expect(allocator.allocatedPages).toBe(pages);
    expect(table.queryMemoryRegion(0, PAGES_2M * 4096)).toBe(Writeback);
  });

  test('with a misaligned frame from the allocator gives that address back too', () => {
    const { memory, allocator } = tableMemory();
    const released: unknown[] = [];
    let misaligned = false;
    const table = newX64({
      memory,
      allocator: {
        allocatePage: () => (misaligned ? 0x1_0000_8008n : allocator.allocatePage()),
        releasePage: (address) => void released.push(address),
      },
    });
    misaligned = true;
    expect(codeOf(() => table.mapMemoryRegion(0, 4096, 0))).toBe('UnalignedPageBase');
    expect(released).toEqual([0x1_0000_8008n]);
  });
});

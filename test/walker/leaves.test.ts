import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, Privilege } from '../../src/access-list.ts';
import type { LeafList } from '../../src/leaf-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { createWalker, type Walker } from '../../src/walker.ts';
import { TABLES as A_TABLES, AF, page as aarch64Page, EL1, TABLE, TCR_EL1 } from './aarch64-page.ts';
import { chance, randomFrom, randomTables, seeds } from './random-tables.ts';
import { ADDRESS, CR4, P, PAGE, PS, page, REGISTERS, RW, TABLES, US, XD } from './x64-page.ts';

interface Leaf {
  page: number;
  pages: number;
  frame: number;
  entry: number;
}

function listOf(leaves: LeafList): Leaf[] {
  return Array.from({ length: leaves.length }, (_, i) => ({
    page: leaves.pageNumber[i] as number,
    pages: leaves.pageCount[i] as number,
    frame: leaves.frame[i] as number,
    entry: leaves.entryAddress[i] as number,
  }));
}

/** Checks what `leaves()` lists against `explain`, which walks to one address at a time. */
function expectEachToBeReached(walker: Walker, leaves: readonly Leaf[]): void {
  for (const leaf of leaves) {
    const first = BigInt(leaf.page) << 12n;
    for (const address of [first, first + (BigInt(leaf.pages) << 12n) - 1n]) {
      const last = walker.explain(address).at(-1);
      expect(last).toMatchObject({
        kind: 'leaf',
        entryAddress: BigInt(leaf.entry),
        next: BigInt(leaf.frame) << 12n,
      });
    }
  }
}

describe('leaves', () => {
  it('a single page is one leaf with its entry', () => {
    const { memory, registers } = page();
    expect(listOf(createWalker(memory, registers).leaves())).toEqual([
      { page: Number(ADDRESS >> 12n), pages: 1, frame: 0x99, entry: Number(TABLES.PT) + 11 * 8 },
    ]);
  });

  it('large pages have their size, and the upper half comes last, sign-extended', () => {
    const memory = PhysicalMemory.allocate(0x1000, 0x5000);
    memory.writeEntry(TABLES.PML4, TABLES.PDPT | P);
    memory.writeEntry(TABLES.PML4 + 511n * 8n, TABLES.PDPT | P);
    memory.writeEntry(TABLES.PDPT + 511n * 8n, (1n << 30n) | P | PS);
    memory.writeEntry(TABLES.PDPT, TABLES.PD | P);
    memory.writeEntry(TABLES.PD + 8n, (1n << 21n) | P | PS);
    const list = listOf(createWalker(memory, REGISTERS).leaves());
    expect(list.map(({ page: first, pages }) => [first, pages])).toEqual([
      [0x200, 512],
      [511 * 2 ** 18, 2 ** 18],
      [2 ** 52 - 2 ** 27 + 0x200, 512],
      [2 ** 52 - 2 ** 18, 2 ** 18],
    ]);
  });

  it('no leaf is listed where the walk ends in a fault: not present, reserved bits, tables outside memory', () => {
    for (const entries of [
      { PT: PAGE | RW },
      { PT: PAGE | P | (1n << 45n) },
      { PML4: TABLES.PDPT | P | PS },
      { PD: 0x77_7000n | P },
      { PD: (1n << 30n) | (1n << 13n) | P | PS },
    ]) {
      const { memory, registers } = page({ entries });
      expect(createWalker(memory, registers).leaves()).toHaveLength(0);
    }
    const { memory, registers } = page({ entries: { PT: PAGE | P | XD } });
    expect(createWalker(memory, { ...registers, efer: 0x500n }).leaves()).toHaveLength(0);
    expect(createWalker(memory, registers).leaves()).toHaveLength(1);
  });

  it('a leaf that forbids everything, or lacks the access flag, is one', () => {
    const options = { descriptors: { 3: 0x9_9000n | TABLE } };
    const { memory, registers } = aarch64Page(options);
    const walker = createWalker(memory, registers);
    // Both halves of these registers start at the same table.
    expect(walker.leaves()).toHaveLength(2);
    const address = BigInt(walker.leaves().pageNumber[0] as number) << 12n;
    expect(walker.translate({ address, access: Access.Read, privilege: Privilege.Supervisor }).kind).toBe(
      'faults',
    );
  });

  it('AArch64 lists TTBR0 before TTBR1 and leaves out a half that is switched off', () => {
    const memory = PhysicalMemory.allocate(0x1000, 0x5000);
    memory.writeEntry(A_TABLES[1] + 8n, (1n << 30n) | 1n | AF);
    const tcr = (TCR_EL1 & ~(63n | (63n << 16n))) | 25n | (30n << 16n);
    const registers = { ...EL1, tcr, ttbr0: A_TABLES[1], ttbr1: A_TABLES[1] };
    const pages = (more: bigint) =>
      listOf(createWalker(memory, { ...registers, tcr: tcr | more }).leaves()).map(
        ({ page: first }) => first,
      );
    const lower = 2 ** 18;
    const upper = 2 ** 52 - 2 ** (34 - 12) + 2 ** 18;
    expect(pages(0n)).toEqual([lower, upper]);
    expect(pages(1n << 23n)).toEqual([lower]);
    expect(pages(1n << 7n)).toEqual([upper]);
  });

  it('a self-map lists the tables themselves as pages', () => {
    const { memory, registers } = page();
    memory.writeEntry(TABLES.PML4 + 510n * 8n, TABLES.PML4 | P | RW);
    const list = listOf(createWalker(memory, registers).leaves());
    expectEachToBeReached(createWalker(memory, registers), list);
    // The page itself, and PML4, PDPT, PD and PT through the self-map.
    expect(list.map(({ frame }) => frame).sort((a, b) => a - b)).toEqual([0x2, 0x3, 0x4, 0x5, 0x99]);
  });

  it('tables that all point to themselves are refused with the number of leaves, at once', () => {
    const memory = PhysicalMemory.allocate(0x2000, 0x1000);
    for (let index = 0n; index < 512n; index++) memory.writeEntry(0x2000n + index * 8n, 0x2000n | P | RW);
    const walker = createWalker(memory, REGISTERS);
    const start = performance.now();
    expect(() => walker.leaves()).toThrow(
      `the tables hold ${2 ** 36} leaves, more than the limit of ${2 ** 24}`,
    );
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('the limit is the number of leaves that may be there', () => {
    const memory = PhysicalMemory.allocate(0x2000, 0x2000);
    memory.writeEntry(0x2000n, 0x3000n | P);
    for (let index = 0n; index < 512n; index++)
      memory.writeEntry(0x3000n + index * 8n, (index << 30n) | P | PS);
    const walker = createWalker(memory, REGISTERS);
    expect(walker.leaves(512)).toHaveLength(512);
    expect(() => walker.leaves(511)).toThrow(/512 leaves, more than the limit of 511/);
  });

  it('tables without leaves that multiply with each level cost nothing', () => {
    const memory = PhysicalMemory.allocate(0x2000, 0x4000);
    for (const table of [0x2000n, 0x3000n, 0x4000n]) {
      for (let index = 0n; index < 512n; index++)
        memory.writeEntry(table + index * 8n, (table + 0x1000n) | P | RW);
    }
    const start = performance.now();
    expect(createWalker(memory, REGISTERS).leaves()).toHaveLength(0);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('on random tables the list is ascending, each leaf is reached by a walk, and each address is in it', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomFrom(seed);
        const odds = { 0: 85, 1: 60, 2: 60, 7: 30, 10: 80 };
        const memory = randomTables(random, odds);
        const la57 = chance(random, 50) ? CR4.LA57 : 0n;
        const registers = chance(random, 50)
          ? { ...REGISTERS, cr3: 0x1_0000n, cr4: REGISTERS.cr4 | la57, physicalAddressBits: 48 }
          : { ...EL1, ttbr0: 0x1_0000n, ttbr1: 0x1_1000n, tcr: TCR_EL1 + BigInt(random() % 20) };
        const walker = createWalker(memory, registers);
        const list = listOf(walker.leaves());
        for (let i = 1; i < list.length; i++) {
          const before = list[i - 1] as Leaf;
          expect(before.page + before.pages).toBeLessThanOrEqual((list[i] as Leaf).page);
        }
        const some = list.filter((_, i) => i % Math.ceil(list.length / 30) === 0);
        expectEachToBeReached(walker, some);
        // Between two leaves there is none.
        for (const [i, leaf] of list.entries()) {
          const next = list[i + 1];
          const end = leaf.page + leaf.pages;
          if (i % 7 === 0 && next !== undefined && end < next.page) {
            expect(walker.explain(BigInt(end) << 12n).at(-1)?.kind).not.toBe('leaf');
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('the entry of a user page in a self-map can be found by its own address', () => {
    const { memory, registers } = page({ entries: { PML4: TABLES.PDPT | P | RW | US } });
    const leaves = createWalker(memory, registers).leaves();
    expect(memory.readEntry(leaves.entryAddress[0] as number)).toBe(PAGE | P | RW | US);
  });
});

describe('dead ends', () => {
  it('a table that is not in memory, a reserved bit and a leftover are each one; zero and leaves are none', () => {
    const memory = PhysicalMemory.allocate(0x1000, 0x5000);
    memory.writeEntry(TABLES.PML4, TABLES.PDPT | P);
    memory.writeEntry(TABLES.PDPT, TABLES.PD | P);
    memory.writeEntry(TABLES.PDPT + 8n, 0x7000_0000n | P);
    memory.writeEntry(TABLES.PD, (1n << 21n) | P | PS);
    memory.writeEntry(TABLES.PD + 8n, (1n << 21n) | (1n << 13n) | P | PS);
    memory.writeEntry(TABLES.PD + 16n, 0x1234n << 12n);
    expect(listOf(createWalker(memory, REGISTERS).deadEnds())).toEqual([
      { page: 0x200, pages: 512, frame: expect.any(Number), entry: Number(TABLES.PD) + 8 },
      { page: 0x400, pages: 512, frame: expect.any(Number), entry: Number(TABLES.PD) + 16 },
      { page: 2 ** 18, pages: 2 ** 18, frame: 0x7_0000, entry: Number(TABLES.PDPT) + 8 },
    ]);
  });

  it('tables without any have none', () => {
    const { memory, registers } = page();
    expect(createWalker(memory, registers).deadEnds().length).toBe(0);
  });
});

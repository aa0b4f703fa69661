import { describe, expect, it } from 'vitest';
import { loadInput } from '../../harness/inputs/load-input.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import type { LeafList } from '../../src/leaf-list.ts';
import { isStructuralFault, OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';

const CAPTURES = new URL('../../examples/captures/', import.meta.url);
const PAGE = 1;
const PAGES_2M = 2 ** 9;
const PAGES_1G = 2 ** 18;

/** Leaves by their size in pages, as the captures' README states them. */
const LEAVES: readonly (readonly [string, Readonly<Record<number, number>>])[] = [
  ['ovmf-x64', { [PAGE]: 512, [PAGES_2M]: 524_287 }],
  ['linux-x64', { [PAGE]: 4_845, [PAGES_2M]: 273 }],
  ['aavmf-aarch64-el1', { [PAGE]: 5_119, [PAGES_2M]: 655, [PAGES_1G]: 512 }],
  ['uboot-aarch64-el1', { [PAGES_2M]: 640, [PAGES_1G]: 767 }],
];

describe.each(LEAVES)('the real tables of %s', (name, expected) => {
  it('have the leaves that are known of them', async () => {
    const { memory, registers } = await load(name);
    const { pageCount } = createWalker(memory, registers).leaves();
    const counts: Record<number, number> = {};
    for (const pages of pageCount) counts[pages] = (counts[pages] ?? 0) + 1;
    expect(counts).toEqual(expected);
  });

  it('translate every leaf to its frame for some access, and never leave the captured memory', async () => {
    const { memory, registers } = await load(name);
    const walker = createWalker(memory, registers);
    const leaves = walker.leaves();
    const accesses = everyAccess(leaves);
    const outcomes = new OutcomeList(accesses.length);
    walker.predict(accesses, outcomes);
    const wrong: number[] = [];
    for (let leaf = 0; leaf < leaves.length; leaf++) {
      const six = [0, 1, 2, 3, 4, 5].map((k) => 6 * leaf + k);
      const completes = six.filter((i) => outcomes.fault[i] === 0);
      const address = (leaves.frame[leaf] as number) * 4096;
      const isRight =
        completes.length > 0 &&
        completes.every((i) => outcomes.physicalAddress[i] === address) &&
        !six.some((i) => isStructuralFault(outcomes.fault[i] as number));
      if (!isRight) wrong.push(leaf);
    }
    expect(wrong).toEqual([]);
  });
});

function load(name: string) {
  return loadInput(new URL(`${name}.core.gz`, CAPTURES).pathname);
}

function everyAccess(leaves: LeafList): AccessList {
  const accesses = new AccessList(6 * leaves.length);
  let index = 0;
  for (const page of leaves.pageNumber) {
    const low = (page % 2 ** 20) * 4096;
    const high = Math.floor(page / 2 ** 20);
    for (const privilege of Object.values(Privilege)) {
      for (const access of Object.values(Access)) accesses.set(index++, low, high, access, privilege);
    }
  }
  return accesses;
}

import { expect, test } from 'vitest';
import { PhysicalMemory } from '../../memory/physical-memory.ts';
import { areZeroEntries, areZeroWords, TableTree } from './table-tree.ts';

const BASE = 0x10_0000;

/** Two tables; the second one is looked at. */
function twoTables(byteOffset: number) {
  const memory = new PhysicalMemory();
  memory.addRange(BASE, new ArrayBuffer(2 * 4096 + byteOffset), byteOffset, 2 * 4096);
  return { memory, tree: new TableTree(memory, BASE / 4096, 4) };
}

test.each([
  ['aligned to entries', 0],
  ['not aligned to entries', 4],
])('a table in memory %s is empty until any bit of any entry is set', (_, byteOffset) => {
  const { memory, tree } = twoTables(byteOffset);
  memory.writeEntry(BASE + 511 * 8, 1n);
  expect(tree.isEmpty(BASE / 4096 + 1)).toBe(true);
  for (const entry of [0, 1, 2, 3, 4, 7, 255, 510, 511]) {
    for (const bit of [0n, 7n, 31n, 32n, 62n, 63n]) {
      memory.writeEntry(BASE + 4096 + entry * 8, 1n << bit);
      expect(tree.isEmpty(BASE / 4096 + 1)).toBe(false);
    }
    memory.writeEntry(BASE + 4096 + entry * 8, 0n);
  }
  expect(tree.isEmpty(BASE / 4096 + 1)).toBe(true);
});

test('entries are looked at as their words are, each word of a table', () => {
  const words = new Uint32Array(3 * 1024);
  const entries = new BigUint64Array(words.buffer);
  for (let word = 0; word < words.length; word++) {
    words[word] = word % 3 === 0 ? 0x8000_0000 : 1;
    const inTable = word >= 1024 && word < 2048;
    expect([areZeroEntries(entries, 512), areZeroWords(words, 1024)]).toEqual([!inTable, !inTable]);
    words[word] = 0;
  }
});

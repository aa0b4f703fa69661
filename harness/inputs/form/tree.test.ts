import { expect, test } from 'vitest';
import { complaintsOf } from '../../../test/inputs/complaints.ts';
import { parseTree } from './tree.ts';

const complaintsAbout = (text: string) => complaintsOf(() => parseTree('layout.yaml', text));

test('scalars stay the text that was written, each with its line and column', () => {
  const tree = parseTree('f', 'base: 0x8000_0000\nsizes: [4K, 1e3, yes, "quoted"]\nname:\n');
  expect(tree).toEqual({
    kind: 'map',
    place: { line: 1, column: 1 },
    entries: [
      {
        key: 'base',
        keyPlace: { line: 1, column: 1 },
        value: { kind: 'text', text: '0x8000_0000', place: { line: 1, column: 7 } },
      },
      {
        key: 'sizes',
        keyPlace: { line: 2, column: 1 },
        value: {
          kind: 'list',
          place: { line: 2, column: 8 },
          items: [
            { kind: 'text', text: '4K', place: { line: 2, column: 9 } },
            { kind: 'text', text: '1e3', place: { line: 2, column: 13 } },
            { kind: 'text', text: 'yes', place: { line: 2, column: 18 } },
            { kind: 'text', text: 'quoted', place: { line: 2, column: 23 } },
          ],
        },
      },
      {
        key: 'name',
        keyPlace: { line: 3, column: 1 },
        value: { kind: 'text', text: '', place: expect.objectContaining({ line: 3 }) },
      },
    ],
  });
});

test('JSON reads as the YAML that it is', () => {
  const tree = parseTree('f', '{\n  "base": 18446744073709551615,\n  "list": [true]\n}');
  expect(tree).toMatchObject({
    entries: [
      { key: 'base', value: { text: '18446744073709551615', place: { line: 2, column: 11 } } },
      { key: 'list', value: { items: [{ text: 'true' }] } },
    ],
  });
});

test('a tab as indentation is complained about at its place', () => {
  const [first] = complaintsAbout('regions:\n\t- name: a\n');
  expect(first).toMatchObject({ message: 'a tab is used as indentation; use spaces', line: 2, column: 1 });
});

test('a key that stands twice is complained about at the second one', () => {
  expect(complaintsAbout('paging: 4-level\nregions: []\npaging: 5-level\n')).toEqual([
    { message: 'the same key stands twice in one map', line: 3, column: 1 },
  ]);
});

test('every syntax error is listed, not only the first', () => {
  expect(complaintsAbout('a: 1\na: 2\nb: 1\nb: 2\n').map(({ line }) => line)).toEqual([2, 4]);
});

test.each([
  ['', 'the file is empty'],
  ['# only a comment\n', 'the file is empty'],
  ['a: 1\n---\nb: 2\n', 'the file holds more than one document'],
  ['a: &x [1]\nb: *x\n', 'aliases are not supported: *x'],
])('%j is refused: %s', (text, message) => {
  expect(complaintsAbout(text).map((complaint) => complaint.message)).toContain(message);
});

test('broken JSON is refused with a place', () => {
  const [first] = complaintsAbout('{"architecture": "x64",\n "regions": [');
  expect(first?.line).toBe(2);
});

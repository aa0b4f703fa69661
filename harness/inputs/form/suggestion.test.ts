import { expect, test } from 'vitest';
import { suggestion } from './suggestion.ts';

const KEYS = ['name', 'base', 'size', 'attributes'];

test.each([
  ['nam', 'name'],
  ['bsae', 'base'],
  ['Size', 'size'],
  ['atributes', 'attributes'],
  ['attribute', 'attributes'],
])('"%s" is near "%s"', (written, meant) => {
  expect(suggestion(written, KEYS)).toBe(` (did you mean "${meant}"?)`);
});

test('a short word is near another only if they have a letter in common, whatever its case', () => {
  expect(suggestion('w', ['r', 'x'])).toBe('');
  expect(suggestion('w', ['r', 'rw'])).toBe(' (did you mean "rw"?)');
  expect(suggestion('device-ngnrne', ['device-nGnRnE'])).toBe(' (did you mean "device-nGnRnE"?)');
});

test('nothing is suggested for a word that is like none of them', () => {
  expect(suggestion('physical', KEYS)).toBe('');
  expect(suggestion('', KEYS)).toBe('');
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AMOUNT_PATTERN, parseAmount } from './amount.ts';

test.each([
  ['0', 0n],
  ['4096', 4096n],
  ['0x1000', 0x1000n],
  ['0XAbC000', 0xabc000n],
  ['4K', 4096n],
  ['1M', 1n << 20n],
  ['2G', 1n << 31n],
  ['1T', 1n << 40n],
  ['0x10K', 0x4000n],
  ['18446744073709551615', (1n << 64n) - 1n],
  ['18446744073709551616', 1n << 64n],
])('%s is %d', (text, value) => {
  expect(parseAmount(text)).toBe(value);
});

test.each([
  '',
  ' 1',
  '1 ',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '010',
  '0x',
  '0xg',
  '1k',
  '1 K',
  '1KB',
  '1KiB',
  '0b1',
  '1_000',
  'K',
])('%j is no amount', (text) => {
  expect(parseAmount(text)).toBeUndefined();
});

test('every 64-bit value reads back from decimal and hexadecimal, and every multiple from its unit', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.constantFrom('K', 'M', 'G', 'T'),
      (value, unit) => {
        const factor = 1n << BigInt({ K: 10, M: 20, G: 30, T: 40 }[unit] as number);
        expect(parseAmount(String(value))).toBe(value);
        expect(parseAmount(`0x${value.toString(16)}`)).toBe(value);
        expect(parseAmount(`${value}${unit}`)).toBe(value * factor);
      },
    ),
  );
});

test('the published pattern accepts exactly what is read', () => {
  const pattern = new RegExp(AMOUNT_PATTERN);
  const nearAmounts = fc.stringMatching(/^[-+ 0x]{0,2}[0-9a-fA-F]{0,5}[KMGTk]{0,2}$/);
  fc.assert(
    fc.property(nearAmounts, (text) => {
      expect(pattern.test(text)).toBe(parseAmount(text) !== undefined);
    }),
  );
});

const FORM = /^(0x[0-9a-f]+|0|[1-9][0-9]*)([KMGT]?)$/i;

const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  K: 1n << 10n,
  M: 1n << 20n,
  G: 1n << 30n,
  T: 1n << 40n,
};

/** The accepted spelling as a regular expression for the published schema. */
export const AMOUNT_PATTERN = '^(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)[KMGT]?$';
/** The accepted spelling in words, for messages. */
export const AMOUNT_IN_WORDS = 'decimal, 0x…, or a number with K, M, G or T (powers of 1024)';

/**
 * The value of an address or a size as people write it: `4096`, `0x1000`, `4K`.
 * @returns undefined if the text is none of these; the value may be any size
 */
export function parseAmount(text: string): bigint | undefined {
  const match = FORM.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  return BigInt(match[1] as string) * unit;
}

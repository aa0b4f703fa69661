import { AMOUNT_IN_WORDS, parseAmount } from '../inputs/form/amount.ts';
import { InputError } from '../inputs/input-error.ts';

/** A virtual address as the user gave it. @throws InputError if it is none */
export function addressArgument(text: string): bigint {
  const address = parseAmount(text);
  if (address === undefined) throw new InputError(text, `is no address: ${AMOUNT_IN_WORDS}`);
  if (address >= 1n << 64n) throw new InputError(text, 'is no address: it does not fit in 64 bits');
  return address;
}

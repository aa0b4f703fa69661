import { hex } from '../../src/addresses.ts';
import { statementText } from '../expectation-text.ts';
import { InputError } from '../inputs/input-error.ts';
import { loadInput } from '../inputs/load-input.ts';
import { addressArgument } from './address-argument.ts';
import { type CliIo, ExitStatus } from './io.ts';

/** `mmucheck query`: what the engine says of the pages at addresses. @returns the exit status */
export async function runQuery(
  path: string,
  addresses: readonly string[],
  { tables }: { readonly tables?: string },
  io: CliIo,
): Promise<number> {
  const wanted = addresses.map(addressArgument);
  const { query } = await loadInput(path, tables === undefined ? {} : { tables });
  if (query === undefined) {
    throw new InputError(
      tables ?? path,
      "the engine cannot open these tables; 'mmucheck explain' walks them",
    );
  }
  for (const address of wanted) {
    const page = query(address);
    const text = page === undefined ? 'not mapped' : statementText(page) || 'mapped, no attributes';
    io.out(`${hex(address)}: ${text}\n`);
  }
  return ExitStatus.Agree;
}

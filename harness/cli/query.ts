import { hex } from '../../src/addresses.ts';
import { memoryAttributeNames } from '../../src/memory-attributes.ts';
import { InputError } from '../inputs/input-error.ts';
import { loadInput } from '../inputs/load-input.ts';
import { addressArgument } from './address-argument.ts';
import { type CliIo, ExitStatus } from './io.ts';

/** `mmucheck query`: what queryMemoryRegion says of the pages at addresses. @returns the exit status */
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
    const attributes = query(address);
    const names = attributes === undefined ? 'not mapped' : memoryAttributeNames(attributes).join(', ');
    io.out(`${hex(address)}: ${names === '' ? 'mapped, no attributes' : names}\n`);
  }
  return ExitStatus.Agree;
}

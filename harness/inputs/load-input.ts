import { InputError } from './input-error.ts';
import type { LoadOptions, VerificationInput } from './types.ts';

/**
 * Reads a layout (YAML or JSON) or a capture (ELF core, plain or gzip); which of them it is, is decided by
 * the file's content.
 * @throws InputError for anything that is wrong with the files
 */
export async function loadInput(path: string, _options: LoadOptions = {}): Promise<VerificationInput> {
  throw new InputError(path, 'reading inputs is not there yet');
}

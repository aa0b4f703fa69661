import { stat } from 'node:fs/promises';
import { InputError } from '../inputs/input-error.ts';

/**
 * Makes sure that no output takes the place of a file that is read: a layout is written by hand.
 * @param inputs layouts and captures; of these with their registers files
 * @throws InputError naming the output, and the input that it is
 */
export async function refuseOwnInputs(outputs: readonly string[], inputs: readonly string[]): Promise<void> {
  const { registersFileOf } = await import('../inputs/capture/registers-file.ts');
  const read = inputs.flatMap((input) => [input, registersFileOf(input)]);
  for (const output of outputs) {
    for (const input of read) {
      if (await areSameFile(output, input)) {
        throw new InputError(output, `is not written: it is the input '${input}'`);
      }
    }
  }
}

/** Whether two paths name one file that exists, be it through links. */
async function areSameFile(path: string, other: string): Promise<boolean> {
  const [one, two] = await Promise.all([path, other].map((each) => stat(each).catch(() => undefined)));
  return one !== undefined && two !== undefined && one.dev === two.dev && one.ino === two.ino;
}

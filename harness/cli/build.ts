import { InputError } from '../inputs/input-error.ts';
import { loadInput } from '../inputs/load-input.ts';
import { type CliIo, ExitStatus } from './io.ts';
import { refuseOwnInputs } from './own-inputs.ts';

/** `mmucheck build`: the engine's tables for a layout as a capture. @returns the exit status */
export async function runBuild(
  path: string,
  { output }: { readonly output: string },
  io: CliIo,
): Promise<number> {
  const input = await loadInput(path);
  if (input.kind !== 'layout')
    throw new InputError(path, 'is a capture; a layout (YAML or JSON) is expected');
  const { registersFileOf } = await import('../inputs/capture/registers-file.ts');
  await refuseOwnInputs([output, registersFileOf(output)], [path]);
  const { writeCapture } = await import('../inputs/capture/write-capture.ts');
  const written = await writeCapture(output, input, `mmucheck build ${path}`);
  io.out(`${written.core}\n${written.registers}\n`);
  return ExitStatus.Agree;
}

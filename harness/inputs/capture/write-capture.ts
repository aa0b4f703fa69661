import { gzipSync } from 'node:zlib';
import { writeFilesAtomically } from '../../atomic-file.ts';
import type { GuestImage } from '../../machine.ts';
import { writeElfCore } from './elf-writer.ts';
import { formatRegisters, registersFileOf } from './registers-file.ts';

/**
 * Writes tables as a capture: an ELF core at `path` (compressed if the name ends in `.gz`) and its registers
 * file beside it. Both appear whole or not at all.
 * @returns the two paths
 * @throws InputError if a file cannot be written
 */
export async function writeCapture(
  path: string,
  image: GuestImage,
  source = 'mmucheck build',
): Promise<{ readonly core: string; readonly registers: string }> {
  const core = writeElfCore(image.memory, image.registers);
  const registers = registersFileOf(path);
  await writeFilesAtomically([
    { path, content: path.toLowerCase().endsWith('.gz') ? gzipSync(core) : core },
    { path: registers, content: formatRegisters(image.registers, source) },
  ]);
  return { core: path, registers };
}

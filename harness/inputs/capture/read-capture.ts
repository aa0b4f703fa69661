import { readFile } from 'node:fs/promises';
import { addressOfPage, hex } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { Registers } from '../../../src/registers.ts';
import { createWalker } from '../../../src/walker.ts';
import { fileProblem } from '../file-problem.ts';
import { InputError } from '../input-error.ts';
import { coreMemory } from './core-memory.ts';
import { type ElfCore, readElfCore } from './elf-core.ts';
import { registersFromQemuNote } from './qemu-note.ts';
import { readRegisters, registersFileOf } from './registers-file.ts';
import { rootTables } from './root-tables.ts';

/** Tables that something has built, and the registers that install them. */
export interface Capture {
  readonly memory: PhysicalMemory;
  readonly registers: Registers;
  /** What was assumed where the capture was silent. */
  readonly notes: readonly string[];
}

/**
 * Reads a capture from the bytes of its core; its registers come from the file beside it, on x64 without one
 * from the core's QEMU note.
 * @param path the core's path, for messages and to find the registers file
 * @param bytes the core, not compressed
 * @throws InputError if the core, the registers or what they say together is wrong
 */
export async function readCapture(path: string, bytes: Uint8Array): Promise<Capture> {
  const core = readElfCore(path, bytes);
  const { registers, file, notes } = await registersOf(path, core);
  const memory = coreMemory(path, core);
  checkWalkable(file, memory, registers);
  checkRoots(path, memory, registers);
  return { memory, registers, notes };
}

interface FoundRegisters {
  readonly registers: Registers;
  /** The file that they stand in. */
  readonly file: string;
  readonly notes: readonly string[];
}

async function registersOf(path: string, core: ElfCore): Promise<FoundRegisters> {
  const file = registersFileOf(path);
  const content = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InputError(file, `cannot be read: ${fileProblem(error)}`, { cause: error });
  });
  if (content !== undefined) {
    const registers = readRegisters(file, content);
    if (registers.architecture !== core.architecture) {
      throw new InputError(
        file,
        `arch is ${registers.architecture}, but ${path} is a core of an ${core.architecture} machine`,
      );
    }
    return { registers, file, notes: [] };
  }
  const found = core.architecture === 'x64' ? registersFromQemuNote(path, core.notes) : undefined;
  if (found !== undefined) return { registers: found.registers, file: path, notes: found.assumptions };
  const why = core.architecture === 'x64' ? ', and the core has no QEMU note' : '';
  throw new InputError(path, `the registers file ${file} is missing${why}`);
}

function checkWalkable(file: string, memory: PhysicalMemory, registers: Registers): void {
  try {
    createWalker(memory, registers);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(file, error.message, { cause: error });
  }
}

function checkRoots(path: string, memory: PhysicalMemory, registers: Registers): void {
  for (const { register, frame } of rootTables(registers)) {
    if (memory.rangeHolding(frame) === undefined) {
      throw new InputError(
        path,
        `the page at ${hex(addressOfPage(frame))}, to which ${register} points, is not in the core`,
      );
    }
  }
}

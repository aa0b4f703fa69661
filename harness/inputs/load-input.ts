import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { addressOfPage, hex } from '../../src/addresses.ts';
import { isElf } from './capture/elf-core.ts';
import type { Capture } from './capture/read-capture.ts';
import { fileProblem } from './file-problem.ts';
import { InputError } from './input-error.ts';
import type { Layout } from './layout/layout.ts';
import type {
  CaptureInput,
  LayoutAgainstCaptureInput,
  LayoutInput,
  LoadOptions,
  UpkeepRange,
  VerificationInput,
} from './types.ts';

/**
 * Reads a layout (YAML or JSON) or a capture (ELF core, plain or gzip); which of them it is, is decided by
 * the file's content. A layout comes with the tables that the engine builds for it, or, with
 * {@link LoadOptions.tables}, with those of a capture.
 * @throws InputError for anything that is wrong with the files
 */
export async function loadInput(path: string, options: LoadOptions = {}): Promise<VerificationInput> {
  const { tables: tablesPath } = options;
  const input = await open(path);
  if (tablesPath === undefined) {
    return input.kind === 'capture' ? captureInput(path, input.capture) : layoutInput(path, input.layout);
  }
  if (input.kind === 'capture') throw new InputError(path, `is a capture; ${A_LAYOUT} is expected`);
  const tables = await open(tablesPath);
  if (tables.kind === 'layout') throw new InputError(tablesPath, `is a layout; ${A_CAPTURE} is expected`);
  return layoutAgainstCapture(path, input.layout, await captureInput(tablesPath, tables.capture));
}

const A_LAYOUT = 'a layout (YAML or JSON)';
const A_CAPTURE = 'a capture (ELF core)';

type Opened =
  | { readonly kind: 'layout'; readonly layout: Layout }
  | { readonly kind: 'capture'; readonly capture: Capture };

async function open(path: string): Promise<Opened> {
  const bytes = await readWhole(path);
  const unpacked = isGzip(bytes) ? await decompress(path, bytes) : bytes;
  if (isElf(unpacked)) {
    const { readCapture } = await import('./capture/read-capture.ts');
    return { kind: 'capture', capture: await readCapture(path, unpacked) };
  }
  const foreign = FOREIGN_DUMPS.find(([magic]) => startsWith(unpacked, magic));
  if (foreign !== undefined) throw new InputError(path, foreign[1]);
  if (unpacked !== bytes) throw new InputError(path, 'a gzip file that holds no ELF core');
  const { readLayout } = await import('./layout/read-layout.ts');
  return { kind: 'layout', layout: readLayout(path, decodeText(path, bytes)) };
}

const FOREIGN_DUMPS: readonly (readonly [string, string])[] = [
  ['KDUMP', 'a kdump-compressed dump; use dump-guest-memory without -z, -l, -s'],
  ['makedumpfile', 'a flattened kdump-compressed dump; use dump-guest-memory without -z, -l, -s'],
  ['PAGEDU64', 'a Windows dump; use dump-guest-memory without -w'],
];

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new InputError(path, `cannot be read: ${fileProblem(error)}`, { cause: error });
  }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function decompress(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const problem =
      code === 'Z_BUF_ERROR'
        ? 'the gzip data ends too early: the file is truncated'
        : `the gzip data is damaged: ${(error as Error).message}`;
    throw new InputError(path, problem, { cause: error });
  }
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(magic.length, bytes.length)).equals(
    Buffer.from(magic, 'latin1'),
  );
}

function decodeText(path: string, bytes: Uint8Array): string {
  const what = `neither ${A_LAYOUT} nor ${A_CAPTURE}`;
  if (bytes.includes(0)) throw new InputError(path, what);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(path, what, { cause: error });
  }
}

async function layoutInput(path: string, layout: Layout): Promise<LayoutInput> {
  const [{ buildLayout }, { queryOf }] = await Promise.all([
    import('./layout/build-layout.ts'),
    import('./query.ts'),
  ]);
  const { memory, registers, upkeep, pageTable } = buildLayout(layout, path);
  const { architecture } = layout;
  const query = queryOf(pageTable);
  return { kind: 'layout', name: path, architecture, registers, memory, layout, upkeep, query };
}

async function captureInput(path: string, capture: Capture): Promise<CaptureInput> {
  const [{ queryTables }, { cacheNotes }] = await Promise.all([
    import('./query.ts'),
    import('./capture/cache-notes.ts'),
  ]);
  const { memory, registers } = capture;
  const notes = [...capture.notes, ...cacheNotes(registers)];
  const query = queryTables(memory, registers);
  return {
    kind: 'capture',
    name: path,
    architecture: registers.architecture,
    registers,
    memory,
    notes,
    ...(query === undefined ? {} : { query }),
  };
}

async function layoutAgainstCapture(
  path: string,
  layout: Layout,
  capture: CaptureInput,
): Promise<LayoutAgainstCaptureInput> {
  const { memory, registers, name: captureName } = capture;
  const { checkSameMode } = await import('./same-mode.ts');
  checkSameMode(path, layout, captureName, registers);
  const { selfMapOf } = await import('./self-map.ts');
  const upkeep = selfMapOf(memory, registers);
  const notes = [...capture.notes, ...upkeep.map(noteOnSelfMap)];
  const { query, ...rest } = capture;
  const { needsMapping } = await import('./layout/build-aarch64.ts');
  // What such a layout declares beyond attributes, queryMemoryRegion cannot say.
  const isSilent = query === undefined || (layout.architecture === 'aarch64' && needsMapping(layout));
  return {
    ...rest,
    kind: 'layout-against-capture',
    name: path,
    layout,
    upkeep,
    captureName,
    notes,
    ...(!isSilent && { query }),
  };
}

function noteOnSelfMap({ firstPage }: UpkeepRange): string {
  return `the tables map themselves from ${hex(addressOfPage(firstPage))} (self-map); the layout is not held against that`;
}

import { addressOfPage, FRAME_SIZE, hex } from '../../src/addresses.ts';
import { permissionText } from '../../src/permissions.ts';
import type { Architecture } from '../../src/registers.ts';
import { loadInput } from '../inputs/load-input.ts';
import { type LeafRun, leafRuns } from '../leaf-runs.ts';
import { memoryTypeText } from '../outcome-text.ts';
import { understand } from '../understand.ts';
import { addressArgument } from './address-argument.ts';
import { type CliIo, ExitStatus } from './io.ts';

export interface DumpCliOptions {
  readonly tables?: string;
  readonly entries?: true;
}

/** `mmucheck dump`: what the tables map, run by run, or their entries bit by bit. @returns the exit status */
export async function runDump(
  path: string,
  addresses: readonly string[],
  { tables, entries }: DumpCliOptions,
  io: CliIo,
): Promise<number> {
  const pages = addresses.map((address) => Number(addressArgument(address) >> 12n));
  const input = await loadInput(path, tables === undefined ? {} : { tables });
  const { leaves, walker, privileges } = understand(input);
  const runs = leafRuns(leaves(), walker, privileges);
  if (entries === true) {
    const { entryLines } = await import('./dump-entries.ts');
    for (const line of entryLines(input, runs, pages)) io.out(`${line}\n`);
    return ExitStatus.Agree;
  }
  let shown = 0;
  for (const run of runs) {
    if (!holdsAny(run, pages)) continue;
    io.out(`${describeRun(run, input.architecture)}\n`);
    shown++;
  }
  if (shown === 0) io.out(pages.length === 0 ? 'nothing is mapped\n' : 'nothing is mapped there\n');
  return ExitStatus.Agree;
}

/** Whether a run holds one of the pages; without pages every run does. */
export function holdsAny({ firstPage, pageCount }: LeafRun, pages: readonly number[]): boolean {
  return pages.length === 0 || pages.some((page) => page >= firstPage && page < firstPage + pageCount);
}

function describeRun(run: LeafRun, architecture: Architecture): string {
  const { firstPage, pageCount, firstFrame, permissions, memoryType } = run;
  const range = `${hex(addressOfPage(firstPage))} – ${hex(addressOfPage(firstPage + pageCount) - 1n)}`;
  const type = memoryType === undefined ? '' : `  ${memoryTypeText(memoryType, architecture)}`;
  const sizes = [...run.leaves].map(([pages, count]) => `${count} × ${sizeText(pages)}`).join(', ');
  return `${range}  → ${hex(addressOfPage(firstFrame))}  ${permissionText(permissions)}${type}  (${sizes})`;
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

function sizeText(pages: number): string {
  let size = (pages * FRAME_SIZE) / 1024;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size} ${UNITS[unit]}`;
}

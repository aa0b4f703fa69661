import { createHash } from 'node:crypto';
import { AArch64PageTable, type AArch64PageTableOptions } from '../../src/aarch64/aarch64-page-table.ts';
import { PageTableError, type PageTableErrorCode } from '../../src/errors.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { X64PageTable, type X64PageTableOptions } from '../../src/x64/x64-page-table.ts';

/** Where test tables are: 4 GiB, so that addresses need both words of an entry. */
export const TABLES_BASE = 0x1_0000_0000;

/** A memory with an allocator over all of it. */
export function tableMemory(frames = 64): { memory: PhysicalMemory; allocator: SequentialAllocator } {
  return {
    memory: PhysicalMemory.allocate(TABLES_BASE, frames * 4096),
    allocator: new SequentialAllocator(TABLES_BASE, frames * 4096),
  };
}

export function newX64(options: Partial<X64PageTableOptions> = {}): X64PageTable {
  return X64PageTable.create({ ...tableMemory(), ...options });
}

export function newAArch64(options: Partial<AArch64PageTableOptions> = {}): AArch64PageTable {
  return AArch64PageTable.create({ ...tableMemory(), ...options });
}

/** The code of the PageTableError that `call` throws; undefined if it throws nothing. */
export function codeOf(call: () => unknown): PageTableErrorCode | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof PageTableError) return error.code;
    throw error;
  }
}

/** A fingerprint of everything that a memory holds: equal for equal bytes. */
export function contents(memory: PhysicalMemory): string {
  const hash = createHash('sha1');
  for (const { firstFrame, words } of memory.ranges) hash.update(`${firstFrame}:`).update(words);
  return hash.digest('hex');
}

/** Entry `index` of the table at frame `frame` of the test memory. */
export function entryOf(memory: PhysicalMemory, frame: number, index: number): bigint {
  const entry = memory.readEntry(TABLES_BASE + frame * 4096 + index * 8);
  if (entry === undefined) throw new Error(`no table at frame ${frame} of the test memory`);
  return entry;
}

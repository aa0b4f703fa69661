import { MAIR } from '../../src/aarch64/aarch64-entry-format.ts';
import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import { type Address, toBigInt } from '../../src/addresses.ts';
import { PageTableError } from '../../src/errors.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import type { MemoryAttributeBits } from '../../src/memory-attributes.ts';
import type { Registers } from '../../src/registers.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';

/** What `queryMemoryRegion` says of the page at an address; undefined where it says that there is no answer. */
export type Query = (address: Address) => MemoryAttributeBits | undefined;

const PAGE = 4096n;

/** Asks page tables of the engine. */
export function queryOf(pageTable: X64PageTable | AArch64PageTable): Query {
  return (address) => {
    const at = toBigInt(address);
    try {
      return pageTable.queryMemoryRegion(at - (at % PAGE), PAGE);
    } catch (error) {
      if (error instanceof PageTableError) return undefined;
      throw error;
    }
  };
}

/**
 * Asks tables that something else has built; undefined if the engine cannot open their like, or if MAIR gives
 * another meaning to their attribute indices than the engine does.
 */
export function queryTables(memory: PhysicalMemory, registers: Registers): Query | undefined {
  if (registers.architecture === 'aarch64' && registers.mair !== MAIR) return undefined;
  const allocator = new SequentialAllocator(0, 0);
  try {
    return queryOf(
      registers.architecture === 'x64'
        ? X64PageTable.openActive(registers, { memory, allocator, supervisorAttribute: true })
        : AArch64PageTable.openActive(registers, { memory, allocator }),
    );
  } catch (error) {
    if (error instanceof PageTableError || error instanceof RangeError) return undefined;
    throw error;
  }
}

import { MAIR } from '../../src/aarch64/aarch64-entry-format.ts';
import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import { type Address, toBigInt } from '../../src/addresses.ts';
import { PageTableError } from '../../src/errors.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { type MemoryAttributeBits, MemoryAttributes } from '../../src/memory-attributes.ts';
import type { Registers } from '../../src/registers.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import { PageTableFlags } from '../../src/x64/mapper/page-table-flags.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';
import { rootTables } from './capture/root-tables.ts';
import { AArch64Tables } from './layout/aarch64-tables.ts';
import type { QueriedPage } from './types.ts';

/** What the engine says of the page at an address; undefined where it says that there is no answer. */
export type Query = (address: Address) => QueriedPage | undefined;

const PAGE = 4096n;

/** Asks page tables of the engine. Of pages alike the answer is the same object. */
export function queryOf(pageTable: X64PageTable | AArch64PageTable | MappedPageTable | AArch64Tables): Query {
  const ask = asking(pageTable);
  return (address) => {
    try {
      return ask(toBigInt(address));
    } catch (error) {
      if (error instanceof PageTableError) return undefined;
      throw error;
    }
  };
}

function asking(
  pageTable: X64PageTable | AArch64PageTable | MappedPageTable | AArch64Tables,
): (address: bigint) => QueriedPage | undefined {
  if (pageTable instanceof AArch64Tables) return (address) => pageTable.query(Number(address / PAGE));
  const attributesOf =
    pageTable instanceof MappedPageTable
      ? (address: bigint) => attributesByTranslation(pageTable, address)
      : (address: bigint) => pageTable.queryMemoryRegion(address - (address % PAGE), PAGE);
  const pages = new Map<MemoryAttributeBits, QueriedPage>();
  return (address) => {
    const attributes = attributesOf(address);
    if (attributes === undefined) return undefined;
    const known = pages.get(attributes);
    if (known !== undefined) return known;
    const page = { attributes };
    pages.set(attributes, page);
    return page;
  };
}

/**
 * What a mapper's `translate` says of rights, as attributes. It says nothing of memory types, and the cache
 * attributes stay 0.
 */
function attributesByTranslation(
  pageTable: MappedPageTable,
  address: bigint,
): MemoryAttributeBits | undefined {
  const result = pageTable.translate(address);
  if (result.kind === 'not-mapped') return undefined;
  const { effectiveFlags } = result;
  return (
    ((effectiveFlags & PageTableFlags.Writable) === 0 ? MemoryAttributes.ReadOnly : 0) |
    ((effectiveFlags & PageTableFlags.NoExecute) === 0 ? 0 : MemoryAttributes.ExecuteProtect) |
    ((effectiveFlags & PageTableFlags.UserAccessible) === 0 ? MemoryAttributes.Supervisor : 0)
  );
}

/**
 * Asks tables that something else has built; undefined if the engine cannot open their like, or if MAIR gives
 * another meaning to their attribute indices than the engine does.
 */
export function queryTables(memory: PhysicalMemory, registers: Registers): Query | undefined {
  if (registers.architecture === 'aarch64' && registers.mair !== MAIR) return undefined;
  const pageTable = openTables(memory, registers);
  if (pageTable instanceof Error) return undefined;
  const ask = queryOf(pageTable);
  if (registers.architecture === 'x64') return ask;
  const end = 1n << (64n - (registers.tcr & TCR_T0SZ));
  return (address) => (toBigInt(address) < end ? ask(address) : undefined);
}

/** TCR_ELx.T0SZ: the tables have entries for 48 bits of addresses, but only those below 2^(64 − T0SZ) get to them. */
const TCR_T0SZ = 0x3fn;

/** Opens tables that something else has built, or says why the engine cannot. */
export function openTables(
  memory: PhysicalMemory,
  registers: Registers,
): X64PageTable | AArch64PageTable | Error {
  const options = { memory, allocator: new SequentialAllocator(0, 0) };
  const registersOfRoots = rootTables(registers).map(({ register }) => register);
  if (registersOfRoots.some((name) => name !== 'cr3' && name !== 'ttbr0')) {
    return new RangeError(`there are tables at ${registersOfRoots.join(' and ')}`);
  }
  try {
    return registers.architecture === 'x64'
      ? X64PageTable.openActive(registers, { ...options, supervisorAttribute: true })
      : AArch64PageTable.openActive(registers, options);
  } catch (error) {
    if (error instanceof PageTableError || error instanceof RangeError) return error;
    throw error;
  }
}

import { DescriptorLow } from '../../src/aarch64/descriptor-bits.ts';
import { addressOfPage, frameOfEntry } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { Registers } from '../../src/registers.ts';
import { EntryLow } from '../../src/x64/entry-bits.ts';
import { rootTables, x64Levels } from './capture/root-tables.ts';
import type { UpkeepRange } from './types.ts';

const LAST_ENTRY = 511;
/** Pages of a 64-bit address space. */
const ALL_PAGES = 2 ** 52;

/** TCR_ELx.TG0 and T0SZ; 4 KiB granule and 48 bits as the engine has them. */
const TCR_TG0_T0SZ = 0xc03fn;
const TCR_4K_48_BITS = 16n;

/** Where tables of a mode have their self-map, and how an entry says that it leads to a table. */
interface SelfMapForm {
  readonly levels: number;
  /** First page behind the translated range. */
  readonly endPage: number;
  /** Bits of an entry's low word, and their value in an entry that leads to a table. */
  readonly tableMask: number;
  readonly tableBits: number;
}

function formOf(registers: Registers): SelfMapForm | undefined {
  if (registers.architecture === 'x64') {
    const { Present, PageSize } = EntryLow;
    const levels = x64Levels(registers);
    return { levels, endPage: ALL_PAGES, tableMask: Present | PageSize, tableBits: Present };
  }
  if ((registers.tcr & TCR_TG0_T0SZ) !== TCR_4K_48_BITS) return undefined;
  const table = DescriptorLow.Valid | DescriptorLow.TableOrPage;
  return { levels: 4, endPage: 512 ** 4, tableMask: table, tableBits: table };
}

/**
 * The range that the self-map takes where tables have one as patina-paging and the engine make it: the last
 * entry of the top-level table leads to that table itself.
 */
export function selfMapOf(memory: PhysicalMemory, registers: Registers): UpkeepRange[] {
  const form = formOf(registers);
  const root = rootTables(registers)[0];
  if (form === undefined || root === undefined) return [];
  const entry = memory.readEntry(addressOfPage(root.frame) + BigInt(LAST_ENTRY * 8)) ?? 0n;
  const low = Number(entry & 0xffff_ffffn);
  const leadsToTable = (low & form.tableMask) === form.tableBits;
  if (!leadsToTable || frameOfEntry(low, Number(entry >> 32n)) !== root.frame) return [];
  const pageCount = 512 ** (form.levels - 1);
  return [{ name: 'self-map', firstPage: form.endPage - pageCount, pageCount }];
}

import { type Address, FRAME_SIZE, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import { EntryLow } from '../entry-bits.ts';
import { MappedPageTable } from './mapped-page-table.ts';
import type { MapperOptions } from './mapper-context.ts';
import { Size4KiB } from './page-size.ts';
import { PageTableFlags } from './page-table-flags.ts';
import { PhysFrame } from './phys-frame.ts';
import { TableTree } from './table-tree.ts';
import { VirtAddr } from './virt-addr.ts';

type Level = 1 | 2 | 3 | 4 | 5;

/**
 * Tables that are reached through an entry of the top-level table that points to that table itself, as
 * `RecursivePageTable` of the x86_64 crate. New parent entries always get PRESENT and WRITABLE, because the mapper writes
 * the tables through them.
 */
export class RecursivePageTable extends MappedPageTable {
  /** Index of the recursive entry. */
  readonly recursiveIndex: number;
  readonly #levels: 4 | 5;

  /**
   * @param tableAddress the virtual address of the top-level table: every table index of it is the recursive one
   * @param cr3 CR3 as it is when the tables are in force
   * @throws PageTableError NotRecursive if the indices of `tableAddress` differ, NotActive if the recursive entry does
   *   not lead to the table in CR3; VirtAddrNotValid; TableOutsideMemory
   */
  constructor(memory: PhysicalMemory, tableAddress: Address, cr3: Address, options: MapperOptions = {}) {
    const levels = options.levels ?? 4;
    const address = VirtAddr.new(tableAddress, levels === 5 ? 57 : 48);
    const index = recursiveIndexOf(address, levels);
    const root = PhysFrame.containingAddress(
      // Bits 11:0 hold PWT and PCD, or a PCID (SDM Vol. 3A table 4-12).
      Size4KiB,
      BigInt.asUintN(52, toBigInt(cr3, 'CR3')),
    );
    requireActive(memory, root, index, levels);
    super(memory, root, options, {
      parentFlags: PageTableFlags.Present | PageTableFlags.Writable,
      skipRootEntry: index,
    });
    this.recursiveIndex = index;
    this.#levels = levels;
  }

  /**
   * The virtual address at which the table of `level` on the way to `address` can be read.
   * @param level 1 PT … 4 PML4 (5 PML5)
   */
  tableAddress(address: Address, level: Level): VirtAddr {
    const width = this.#levels === 5 ? 57 : 48;
    const target = VirtAddr.new(address, width);
    let result = 0n;
    for (let step = 0; step < this.#levels; step++) {
      const index =
        step < level
          ? this.recursiveIndex
          : VirtAddr.tableIndex(target, (this.#levels - (step - level)) as Level);
      result = (result << 9n) | BigInt(index);
    }
    return VirtAddr.truncate(result << 12n, width);
  }
}

/** @throws PageTableError NotRecursive */
function recursiveIndexOf(address: VirtAddr, levels: 4 | 5): number {
  const index = VirtAddr.tableIndex(address, levels);
  for (let level = 1; level < levels; level++) {
    const other = VirtAddr.tableIndex(address, level as Level);
    if (other !== index) {
      throw new PageTableError(
        'NotRecursive',
        `${hex(address)} is no recursive address: its index at level ${level} is ${other}, at level ${levels} ${index}`,
        { address },
      );
    }
  }
  if (address % BigInt(FRAME_SIZE) !== 0n) {
    throw new PageTableError('NotRecursive', `${hex(address)} is not the start of a table`, { address });
  }
  return index;
}

/** @throws PageTableError NotActive */
function requireActive(
  memory: PhysicalMemory,
  root: PhysFrame<Size4KiB>,
  index: number,
  levels: 4 | 5,
): void {
  const tree = new TableTree(memory, root, levels);
  tree.locate(root);
  const entry = memory.readEntry(BigInt(root) * BigInt(FRAME_SIZE) + BigInt(index) * 8n) ?? 0n;
  const leadsTo = (entry & 0xf_ffff_ffff_f000n) >> 12n;
  if ((entry & BigInt(EntryLow.Present)) === 0n || leadsTo !== BigInt(root)) {
    throw new PageTableError(
      'NotActive',
      `entry ${index} of the top-level table does not lead to the table in CR3`,
      {
        entry,
        cr3: BigInt(root) << 12n,
      },
    );
  }
}

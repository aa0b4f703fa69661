import { type Address, FRAME_SIZE, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import type { PhysicalMemory } from '../../memory/physical-memory.ts';
import { MappedPageTable } from './mapped-page-table.ts';
import type { MapperOptions } from './mapper-context.ts';
import type { Size4KiB } from './page-size.ts';
import type { PhysFrame } from './phys-frame.ts';
import { VirtAddr } from './virt-addr.ts';

/**
 * Tables that are reached through a mapping of all physical memory at an offset, as `OffsetPageTable` of the x86_64
 * crate. `memory` is what the mapper sees: the table in physical frame F stands in it at offset + F × 4096.
 */
export class OffsetPageTable extends MappedPageTable {
  /** Virtual address at which physical address 0 is mapped. */
  readonly physOffset: VirtAddr;

  /**
   * @param physOffset canonical, a multiple of 4096
   * @throws PageTableError VirtAddrNotValid, UnalignedAddress; TableOutsideMemory if the root is not in `memory`
   */
  constructor(
    memory: PhysicalMemory,
    root: PhysFrame<Size4KiB>,
    physOffset: Address,
    options: MapperOptions = {},
  ) {
    const offset = VirtAddr.new(toBigInt(physOffset, 'offset'), options.levels === 5 ? 57 : 48);
    if (offset % BigInt(FRAME_SIZE) !== 0n) {
      throw new PageTableError('UnalignedAddress', `the offset ${hex(offset)} is not a multiple of 4096`);
    }
    super(memory, root, options, { frameOffset: Number(offset / BigInt(FRAME_SIZE)) });
    this.physOffset = offset;
  }
}

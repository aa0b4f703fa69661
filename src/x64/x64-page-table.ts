import { type Address, hex } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import { type AddressSpace, checkBelowReserved, checkWholePages } from '../patina/address-space.ts';
import { type PageTableOptions, type PagingScheme, PatinaPageTable } from '../patina/page-table.ts';
import { PagingType } from '../patina/paging-type.ts';
import type { X64Registers } from '../registers.ts';
import { X64_FORMAT, X64_SUPERVISOR_FORMAT } from './x64-entry-format.ts';

export interface X64PageTableOptions extends PageTableOptions {
  /**
   * Whether MemoryAttributes.Supervisor is honoured (patina-paging's cargo feature `supervisor`): U/S is clear
   * in leaves that have it. Without it every page is a user page. Default: false.
   */
  readonly supervisorAttribute?: boolean;
  /** MAXPHYADDR that {@link X64PageTable.registers} states; 52 where absent. */
  readonly physicalAddressBits?: number;
}

/** Control register bits that paging needs (SDM Vol. 3A §2.5, §4.1). */
const CR0_PE = 1n << 0n;
const CR0_ET = 1n << 4n;
const CR0_NE = 1n << 5n;
const CR0_WP = 1n << 16n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_LA57 = 1n << 12n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
const EFER_NXE = 1n << 11n;
/** Bits 51:12 of CR3: the address of the top-level table. */
const CR3_ADDRESS = 0x000f_ffff_ffff_f000n;

/**
 * Identity-mapped 4- or 5-level x64 page tables with the behaviour of patina-paging's `X64PageTable`. A virtual
 * address of the upper half maps to its low 52 bits.
 */
export class X64PageTable extends PatinaPageTable<X64Registers> {
  readonly #pagingType: PagingType;
  readonly #physicalAddressBits: number;

  private constructor(options: X64PageTableOptions, root: Address | undefined, installed?: X64Registers) {
    const pagingType = options.pagingType ?? PagingType.Paging4Level;
    super(scheme(pagingType, options.supervisorAttribute ?? false), options, root, installed);
    this.#pagingType = pagingType;
    this.#physicalAddressBits = options.physicalAddressBits ?? 52;
  }

  /**
   * New tables: a root with the self-map in entry 511 and the zero-VA tables below entry 510.
   * @throws PageTableError OutOfResources, UnalignedPageBase, TableOutsideMemory
   */
  static create(options: X64PageTableOptions): X64PageTable {
    return new X64PageTable(options, undefined);
  }

  /**
   * The tables below the root at physical address `root`.
   * @throws PageTableError UnalignedPageBase, TableOutsideMemory
   */
  static fromExisting(root: Address, options: X64PageTableOptions): X64PageTable {
    return new X64PageTable(options, root);
  }

  /**
   * The tables that the registers have installed; CR4.LA57 decides the number of levels.
   * @throws PageTableError NotInstalled if the registers do not turn 64-bit paging on, and as {@link fromExisting}
   */
  static openActive(
    registers: X64Registers,
    options: Omit<X64PageTableOptions, 'pagingType' | 'physicalAddressBits'>,
  ): X64PageTable {
    if ((registers.cr0 & CR0_PG) === 0n || (registers.efer & EFER_LMA) === 0n) {
      throw new PageTableError(
        'NotInstalled',
        `64-bit paging is off: CR0 ${hex(registers.cr0)}, EFER ${hex(registers.efer)}`,
      );
    }
    const pagingType = (registers.cr4 & CR4_LA57) === 0n ? PagingType.Paging4Level : PagingType.Paging5Level;
    const { physicalAddressBits } = registers;
    const root = registers.cr3 & CR3_ADDRESS;
    return new X64PageTable({ ...options, pagingType, physicalAddressBits }, root, registers);
  }

  /** CR3, CR4, EFER and CR0 that turn these tables on, with write protection and execute-disable in force. */
  override registers(): X64Registers {
    return (
      this.installedRegisters ?? {
        architecture: 'x64',
        cr0: CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE,
        cr3: this.intoPageTableRoot(),
        cr4: this.#pagingType === PagingType.Paging5Level ? CR4_PAE | CR4_LA57 : CR4_PAE,
        efer: EFER_LME | EFER_LMA | EFER_NXE,
        physicalAddressBits: this.#physicalAddressBits,
      }
    );
  }
}

function scheme(pagingType: PagingType, supervisorAttribute: boolean): PagingScheme {
  const fiveLevels = pagingType === PagingType.Paging5Level;
  return {
    format: supervisorAttribute ? X64_SUPERVISOR_FORMAT : X64_FORMAT,
    space: fiveLevels ? FIVE_LEVELS : FOUR_LEVELS,
    levels: fiveLevels ? 5 : 4,
  };
}

/** Virtual addresses of `bits` bits, the last two root entries excepted (SDM Vol. 3A §3.3.7.1 canonical addresses). */
function canonicalSpace(bits: number): AddressSpace {
  const lowerHalfEnd = 1n << BigInt(bits - 1);
  const rootEntrySize = 1n << BigInt(bits - 9);
  const lastUsable = (1n << 64n) - 2n * rootEntrySize - 1n;

  function checkCanonical(address: bigint, size: bigint): void {
    const upperHalf = (1n << 64n) - lowerHalfEnd;
    if (address >= lowerHalfEnd && address < upperHalf) {
      throw new PageTableError('InvalidParameter', `address ${hex(address)} is not canonical`);
    }
    const halfEnd = address < lowerHalfEnd ? lowerHalfEnd : 1n << 64n;
    if (size === 0n || address + size > halfEnd) {
      throw new PageTableError(
        'InvalidMemoryRange',
        `the range at ${hex(address)} of ${hex(size)} bytes is empty or leaves the canonical addresses`,
      );
    }
    checkWholePages(address, size);
  }

  return {
    translatedBits: bits,
    signExtended: true,
    plainEnd: Math.min(2 ** (bits - 1), Number.MAX_SAFE_INTEGER),
    checkEdit(address, size) {
      checkCanonical(address, size);
      checkBelowReserved(address, size, lastUsable);
    },
    checkQuery: checkCanonical,
  };
}

const FOUR_LEVELS = canonicalSpace(48);
const FIVE_LEVELS = canonicalSpace(57);

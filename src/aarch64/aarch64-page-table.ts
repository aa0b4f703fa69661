import { type Address, hex } from '../addresses.ts';
import { PageTableError } from '../errors.ts';
import { type AddressSpace, checkBelowReserved, checkWholePages } from '../patina/address-space.ts';
import { type PageTableOptions, type PagingScheme, PatinaPageTable } from '../patina/page-table.ts';
import { PagingType } from '../patina/paging-type.ts';
import type { AArch64Registers } from '../registers.ts';
import { EL1_FORMAT, EL2_FORMAT, MAIR } from './aarch64-entry-format.ts';
import { HcrEl2, PHYSICAL_ADDRESS_SIZES, RangeControl, Sctlr, Tcr1, Tcr23 } from './translation-control.ts';

export interface AArch64PageTableOptions extends PageTableOptions {
  /** Translation regime: EL2 (default, as patina-paging) or EL1, where execute-protect sets PXN and UXN. */
  readonly regime?: 'el1' | 'el2';
  /** Implemented physical address bits; TCR.PS/IPS follow from it. 48 where absent. */
  readonly physicalAddressBits?: number;
}

const TCR_TG0 = 3n << Tcr23.Tg0Shift;
const TCR_T0SZ_48_BITS = 16n;
const TCR_COMMON =
  RangeControl.InnerShareable | RangeControl.OuterWriteBack | RangeControl.InnerWriteBack | TCR_T0SZ_48_BITS;
/** A granule for TTBR1 that is not reserved, though it is not used (Cortex-A57 erratum 822227). */
const TCR_EL1_TG1_16K = 1n << Tcr1.Tg1Shift;

/** Bits 47:12 of TTBR0: the address of a full 4 KiB table. */
const TTBR_TABLE = 0x0000_ffff_ffff_f000n;
/** Bits 47:1 of TTBR0: the address of any table. */
const TTBR_BADDR = 0x0000_ffff_ffff_fffen;

/**
 * Identity-mapped 4-level AArch64 stage 1 tables (TTBR0, 4 KiB granule, 48-bit addresses) with the behaviour of
 * patina-paging's `AArch64PageTable`.
 */
export class AArch64PageTable extends PatinaPageTable<AArch64Registers> {
  readonly #regime: 'el1' | 'el2';
  readonly #physicalAddressBits: number;

  private constructor(
    options: AArch64PageTableOptions,
    root: Address | undefined,
    installed?: AArch64Registers,
  ) {
    const regime = options.regime ?? 'el2';
    super(scheme(options.pagingType ?? PagingType.Paging4Level, regime), options, root, installed);
    this.#regime = regime;
    this.#physicalAddressBits = options.physicalAddressBits ?? 48;
  }

  /**
   * New tables: a root with the self-map in entry 511 and the zero-VA tables below entry 510.
   * @throws PageTableError UnsupportedPagingType for 5 levels, OutOfResources, UnalignedPageBase, TableOutsideMemory
   */
  static create(options: AArch64PageTableOptions): AArch64PageTable {
    return new AArch64PageTable(options, undefined);
  }

  /**
   * The tables below the root at physical address `root`.
   * @throws PageTableError UnsupportedPagingType for 5 levels, UnalignedPageBase, TableOutsideMemory
   */
  static fromExisting(root: Address, options: AArch64PageTableOptions): AArch64PageTable {
    return new AArch64PageTable(options, root);
  }

  /**
   * The tables that TTBR0 has installed at EL1 or EL2.
   * @throws PageTableError NotInstalled if SCTLR.M is clear, UnsupportedPagingType for another regime, granule or
   *   number of levels, and as {@link fromExisting}
   */
  static openActive(
    registers: AArch64Registers,
    options: Omit<AArch64PageTableOptions, 'pagingType' | 'regime' | 'physicalAddressBits'>,
  ): AArch64PageTable {
    const { exceptionLevel, tcr, ttbr0, physicalAddressBits = 48 } = registers;
    if ((registers.sctlr & Sctlr.M) === 0n) {
      throw new PageTableError('NotInstalled', `the MMU is off: SCTLR ${hex(registers.sctlr)}`);
    }
    const inputBits = 64 - Number(tcr & 0x3fn);
    const el2WithEl0 = exceptionLevel === 2 && (registers.hcrEl2 & HcrEl2.E2h) !== 0n;
    if (exceptionLevel === 3 || el2WithEl0 || (tcr & TCR_TG0) !== 0n || inputBits < 40 || inputBits > 48) {
      throw new PageTableError(
        'UnsupportedPagingType',
        `EL${exceptionLevel} with TCR ${hex(tcr)} and HCR_EL2 ${hex(registers.hcrEl2)} does not use 4-level tables of 4 KiB pages at EL1 or EL2`,
      );
    }
    const root = ttbr0 & TTBR_BADDR & ~TTBR_TABLE ? ttbr0 & TTBR_BADDR : ttbr0 & TTBR_TABLE;
    const regime = exceptionLevel === 2 ? 'el2' : 'el1';
    return new AArch64PageTable({ ...options, regime, physicalAddressBits }, root, registers);
  }

  /** TTBR0, TCR, MAIR and SCTLR that turn these tables on, as patina-paging sets them. */
  override registers(): AArch64Registers {
    const common = {
      architecture: 'aarch64',
      ttbr0: this.intoPageTableRoot(),
      ttbr1: 0n,
      mair: MAIR,
      hcrEl2: HcrEl2.Rw,
      physicalAddressBits: this.#physicalAddressBits,
    } as const;
    const size = BigInt(
      Math.max(
        0,
        PHYSICAL_ADDRESS_SIZES.findLastIndex((bits) => bits <= this.#physicalAddressBits),
      ),
    );
    const enable = Sctlr.M | Sctlr.C | Sctlr.Sa | Sctlr.I;
    return (
      this.installedRegisters ??
      (this.#regime === 'el2'
        ? {
            ...common,
            exceptionLevel: 2,
            tcr: TCR_COMMON | Tcr23.Res1 | (size << Tcr23.PsShift),
            sctlr: Sctlr.Res1Of23 | enable,
          }
        : {
            ...common,
            exceptionLevel: 1,
            tcr: TCR_COMMON | Tcr1.Epd1 | TCR_EL1_TG1_16K | (size << Tcr1.IpsShift),
            sctlr: Sctlr.Res1Of1 | enable,
          })
    );
  }
}

/** @throws PageTableError UnsupportedPagingType */
function scheme(pagingType: PagingType, regime: 'el1' | 'el2'): PagingScheme {
  if (pagingType !== PagingType.Paging4Level) {
    throw new PageTableError('UnsupportedPagingType', 'AArch64 tables of 4 KiB pages have 4 levels here');
  }
  return { format: regime === 'el2' ? EL2_FORMAT : EL1_FORMAT, space: TTBR0_48_BITS, levels: 4 };
}

function checkSum(address: bigint, size: bigint): void {
  checkWholePages(address, size);
  if (address + size > 1n << 64n) {
    throw new PageTableError(
      'AdditionOverflow',
      `the range at ${hex(address)} of ${hex(size)} bytes ends beyond 2^64`,
    );
  }
}

/** The 48-bit range of TTBR0, the last two root entries excepted. */
const TTBR0_48_BITS: AddressSpace = {
  translatedBits: 48,
  signExtended: false,
  plainEnd: 0xff00_0000_0000,
  checkEdit(address, size) {
    checkSum(address, size);
    checkBelowReserved(address, size, 0xfeff_ffff_ffffn);
  },
  checkQuery: checkSum,
};

import { type Address, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';

declare const virtual: unique symbol;

/** A canonical virtual address of 64 bits (SDM Vol. 1 §3.3.7.1). */
export type VirtAddr = bigint & { readonly [virtual]: true };

const FOUR_LEVEL_BITS = 48;

/** Constructors of {@link VirtAddr}, as `VirtAddr` of the x86_64 crate. */
export const VirtAddr = {
  /**
   * @param bits width of virtual addresses: 48 with 4-level, 57 with 5-level paging
   * @throws PageTableError VirtAddrNotValid if bits 63 to `bits - 1` are not all equal
   */
  new(address: Address, bits: 48 | 57 = FOUR_LEVEL_BITS): VirtAddr {
    const value = toBigInt(address, 'virtual address');
    if (VirtAddr.truncate(value, bits) !== value) throw notCanonical(value, bits);
    return value as VirtAddr;
  },

  /** Bits 63 to `bits` replaced by copies of bit `bits - 1`. */
  truncate(address: Address, bits: 48 | 57 = FOUR_LEVEL_BITS): VirtAddr {
    return BigInt.asUintN(64, BigInt.asIntN(bits, toBigInt(address, 'virtual address'))) as VirtAddr;
  },

  /**
   * Index of the entry that translates the address in a table of the given level.
   * @param level 1 PT, 2 PD, 3 PDPT, 4 PML4, 5 PML5
   */
  tableIndex(address: VirtAddr, level: 1 | 2 | 3 | 4 | 5): number {
    return Number((address >> BigInt(12 + 9 * (level - 1))) & 511n);
  },
} as const;

export function notCanonical(address: bigint, bits: 48 | 57): PageTableError {
  return new PageTableError(
    'VirtAddrNotValid',
    `${hex(address)} is not canonical: bits 63 to ${bits - 1} of a ${bits}-bit virtual address must be equal`,
    { address },
  );
}

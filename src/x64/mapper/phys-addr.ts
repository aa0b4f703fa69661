import { type Address, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';

declare const physical: unique symbol;

/** A physical address below 2^52, the architecture's limit (SDM Vol. 3A §4.1.4). */
export type PhysAddr = bigint & { readonly [physical]: true };

/** Constructors of {@link PhysAddr}, as `PhysAddr` of the x86_64 crate. */
export const PhysAddr = {
  /** @throws PageTableError PhysAddrNotValid if one of bits 63 to 52 is set */
  new(address: Address): PhysAddr {
    const value = toBigInt(address, 'physical address');
    if (value >> 52n !== 0n) {
      throw new PageTableError('PhysAddrNotValid', `${hex(value)} has bits set beyond bit 51`, {
        address: value,
      });
    }
    return value as PhysAddr;
  },

  /** Bits 63 to 52 cleared. */
  truncate(address: Address): PhysAddr {
    return BigInt.asUintN(52, toBigInt(address, 'physical address')) as PhysAddr;
  },
} as const;

import { type Address, addressOfPage, hex, pageNumberOf, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';
import type { PageSize } from './page-size.ts';
import { PhysAddr } from './phys-addr.ts';

declare const frameOf: unique symbol;

/**
 * A physical frame of size `S`. At run time it is a number, the 4 KiB frame number (address / 4096) of its start;
 * the type keeps sizes apart.
 */
export type PhysFrame<S extends PageSize> = number & { readonly [frameOf]: S };

const FRAME_END = 2 ** 40;
const FRAME_END_BYTES = 2 ** 52;
/** First address that a number does not hold exactly. */
const EXACT_END = 1n << 53n;
const FRAMES_PER_BYTE = 2 ** -12;
/** Less bytecode than `Math.floor`, see leaf-tables.ts. */
const { floor } = Math;

/** Constructors and arithmetic of {@link PhysFrame}, as `PhysFrame` of the x86_64 crate. */
export const PhysFrame = {
  /** The frame that starts at an address. @throws PageTableError PhysAddrNotValid, FrameNotAligned */
  fromStartAddress<S extends PageSize>(size: S, address: Address): PhysFrame<S> {
    if (typeof address === 'number') {
      const units = address * size.perByte;
      if (address >= 0 && address < FRAME_END_BYTES && units === floor(units)) {
        return (address * FRAMES_PER_BYTE) as PhysFrame<S>;
      }
    }
    return startFrame(size, address);
  },

  /** The frame that contains an address. @throws PageTableError PhysAddrNotValid */
  containingAddress<S extends PageSize>(size: S, address: Address): PhysFrame<S> {
    const frame = validFrame(address);
    return (frame - (frame % size.frames)) as PhysFrame<S>;
  },

  startAddress(frame: PhysFrame<PageSize>): PhysAddr {
    return addressOfPage(frame) as PhysAddr;
  },

  /** The frames from `start` up to, not including, `end`. */
  *range<S extends PageSize>(size: S, start: PhysFrame<S>, end: PhysFrame<S>): Generator<PhysFrame<S>> {
    for (let frame: number = start; frame < end; frame += size.frames) yield frame as PhysFrame<S>;
  },

  /** The frames from `start` up to and including `end`. */
  rangeInclusive<S extends PageSize>(
    size: S,
    start: PhysFrame<S>,
    end: PhysFrame<S>,
  ): Generator<PhysFrame<S>> {
    return PhysFrame.range(size, start, (end + size.frames) as PhysFrame<S>);
  },
} as const;

/** {@link PhysFrame.fromStartAddress} for addresses that are not plain. */
function startFrame<S extends PageSize>(size: S, address: Address): PhysFrame<S> {
  if (typeof address === 'bigint' && address >= 0n && address < EXACT_END) {
    return PhysFrame.fromStartAddress(size, Number(address));
  }
  const frame = validFrame(address);
  const aligned =
    typeof address === 'number' ? address % size.bytes === 0 : address % BigInt(size.bytes) === 0n;
  if (!aligned) {
    throw new PageTableError('FrameNotAligned', `${hex(address)} is not the start of a ${size.name} frame`, {
      address: toBigInt(address),
    });
  }
  return frame as PhysFrame<S>;
}

function validFrame(address: Address): number {
  const frame = pageNumberOf(address, 'physical address');
  if (frame >= FRAME_END) PhysAddr.new(address);
  return frame;
}

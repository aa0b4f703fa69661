import { type Address, addressOfPage, FRAME_SIZE, hex, toBigInt } from '../../addresses.ts';
import { PageTableError } from '../../errors.ts';

/** A frame, and whether the address that named it was the start of a page. */
interface NamedFrame {
  readonly frame: number;
  readonly exact: boolean;
}

/** The output addresses that tables can map to: multiples of a page, below the physical address size. */
export class OutputRange {
  readonly #granulePages: number;
  readonly #frameEnd: number;
  /** Whether an address within a page is refused, and not cut. */
  readonly #strict: boolean;

  /** @param frameEnd first frame that is no physical memory */
  constructor(granulePages: number, frameEnd: number, strict: boolean) {
    this.#granulePages = granulePages;
    this.#frameEnd = frameEnd;
    this.#strict = strict;
  }

  /** The frame that an address is in, cut to a page of the granule. */
  frameOf(address: Address): NamedFrame {
    const pages = this.#granulePages;
    if (typeof address === 'number' && Number.isSafeInteger(address) && address >= 0) {
      const frame = Math.floor(address / (pages * FRAME_SIZE)) * pages;
      return { frame, exact: frame * FRAME_SIZE === address };
    }
    const bits = toBigInt(address);
    const frame = Number(bits >> 12n);
    const cut = frame % pages;
    return { frame: frame - cut, exact: cut === 0 && bits % BigInt(FRAME_SIZE) === 0n };
  }

  /** @throws PageTableError PhysAddrNotValid, UnalignedAddress for `count` frames that do not fit */
  check(frame: number, count: number, exact: boolean): void {
    const frameEnd = this.#frameEnd;
    if (frame + count > frameEnd) {
      const address = addressOfPage(Math.max(frame, frameEnd));
      const bits = Math.log2(frameEnd) + 12;
      throw new PageTableError(
        'PhysAddrNotValid',
        `the output address ${hex(address)} is beyond the ${bits} bits of physical addresses`,
        { address },
      );
    }
    if (!exact && this.#strict) {
      const address = addressOfPage(frame);
      throw new PageTableError(
        'UnalignedAddress',
        `the output address, in the page at ${hex(address)}, is no multiple of ${this.#granulePages * FRAME_SIZE}`,
      );
    }
  }
}

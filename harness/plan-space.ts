import { inputSpace } from '../src/aarch64/walk-input-space.ts';
import { Privilege } from '../src/access-list.ts';
import { FRAME_SHIFT } from '../src/addresses.ts';
import type { Registers } from '../src/registers.ts';
import { decodeX64Paging } from '../src/x64/walk-paging.ts';
import { PAGES_OF_64_BITS, type PageRun } from './plan-points.ts';

/** What the registers say about the address space, as far as a plan needs it. */
export interface ProbedSpace {
  /** The virtual addresses that tables translate; everything else is refused before a walk. */
  readonly translated: readonly PageRun[];
  /** The privileges that the regime tells apart. */
  readonly privileges: readonly Privilege[];
}

/**
 * x64: both canonical halves (SDM Vol. 1 §3.3.7.1). AArch64: the ranges of TTBR0 and TTBR1 (Arm ARM D8.1.2),
 * or of stage 2 where there is no other.
 * @throws RangeError if the registers are not modelled, as `createWalker`
 */
export function probedSpace(registers: Registers): ProbedSpace {
  if (registers.architecture === 'x64') {
    const bits = FRAME_SHIFT + 9 * decodeX64Paging(registers).levels;
    return {
      translated: [rangeOf(bits - 1, false), rangeOf(bits - 1, true)],
      privileges: [Privilege.Supervisor, Privilege.User],
    };
  }
  const { hasUser, ranges } = inputSpace(registers);
  return {
    translated: ranges.map(({ inputBits, upper }) => rangeOf(inputBits, upper)),
    privileges: hasUser ? [Privilege.Supervisor, Privilege.User] : [Privilege.Supervisor],
  };
}

/** The lowest or the highest 2^bits addresses of 64 bits. */
function rangeOf(bits: number, upper: boolean): PageRun {
  const pageCount = 2 ** (bits - FRAME_SHIFT);
  return { firstPage: upper ? PAGES_OF_64_BITS - pageCount : 0, pageCount };
}

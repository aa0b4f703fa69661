import { createAArch64Walker } from './aarch64/walker.ts';
import type { AccessList } from './access-list.ts';
import type { Address } from './addresses.ts';
import type { LeafList } from './leaf-list.ts';
import type { PhysicalMemory } from './memory/physical-memory.ts';
import type { OutcomeList } from './outcome-list.ts';
import type { Registers } from './registers.ts';
import type { AccessRequest, Translation, WalkStep } from './translation.ts';
import { createX64Walker } from './x64/walker.ts';

/**
 * What an MMU does with accesses under given tables and registers, by the book. Tables are read at each call,
 * so changes to the memory show at once.
 */
export interface Walker {
  readonly registers: Registers;
  /**
   * Predicts each access into the same index of `outcomes`, every column that the architecture defines.
   * @throws RangeError if `outcomes` is shorter than `accesses`, or a record holds no access or one that the
   *   regime does not have (a user access at EL2)
   */
  predict(accesses: AccessList, outcomes: OutcomeList): void;
  /** Predicts one access. @throws RangeError as {@link Walker.predict}, or if the address is not 64-bit */
  translate(request: AccessRequest): Translation;
  /**
   * The entries that a translation of the address uses, level by level; empty if the address is refused
   * before the first entry is read. Under two stages those of stage 1, then those of stage 2 for its output.
   */
  explain(address: Address): WalkStep[];
  /**
   * Every leaf. Where a second stage cuts a leaf of the first, each piece is one, with a physical frame.
   * @throws RangeError if there are more than `limit` (default `DEFAULT_LEAF_LIMIT`): tables that point to
   *   themselves can hold 2^36 leaves and more
   */
  leaves(limit?: number): LeafList;
  /**
   * Every entry that tables reach, that is not zero, and that ends a walk without an output address: not in
   * use, of a reserved form, or leading to a table where no memory is. `frame` is what its address field says. Under
   * two stages also every piece of a leaf that stage 2 does not map.
   * @throws RangeError as {@link Walker.leaves}
   */
  deadEnds(limit?: number): LeafList;
}

/**
 * A walker for the tables in `memory` that `registers` install.
 * @throws RangeError if the registers switch paging off or need what is not modelled, naming the register
 */
export function createWalker(memory: PhysicalMemory, registers: Registers): Walker {
  return registers.architecture === 'x64'
    ? createX64Walker(memory, registers)
    : createAArch64Walker(memory, registers);
}

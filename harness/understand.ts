import type { LeafList } from '../src/leaf-list.ts';
import { createWalker, type Walker } from '../src/walker.ts';
import { InputError } from './inputs/input-error.ts';
import type { VerificationInput } from './inputs/types.ts';
import { type ProbedSpace, probedSpace } from './plan-space.ts';

/** What the walker makes of an input. */
export interface Understood extends ProbedSpace {
  readonly walker: Walker;
  /** Every leaf. @throws InputError if there are too many */
  leaves(): LeafList;
  /** Every entry that leads nowhere, see Walker.deadEnds. @throws InputError if there are too many */
  deadEnds(): LeafList;
}

/**
 * Reads the registers of an input.
 * @throws InputError if they are not modelled
 */
export function understand({ name, memory, registers }: VerificationInput): Understood {
  const walker = blaming(name, () => createWalker(memory, registers));
  const space = blaming(name, () => probedSpace(registers));
  return {
    walker,
    ...space,
    leaves: () => blaming(name, () => walker.leaves()),
    deadEnds: () => blaming(name, () => walker.deadEnds()),
  };
}

/** What the walker refuses is wrong with the input. */
function blaming<T>(input: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(input, error.message, { cause: error });
  }
}

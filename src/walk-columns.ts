import type { AccessList } from './access-list.ts';
import { hex } from './addresses.ts';
import type { OutcomeList } from './outcome-list.ts';

/**
 * The fault addresses of the first `length` outcomes as pairs of words, low half first, so that a bulk walk
 * needs no bigint.
 * @throws RangeError if there are fewer outcomes
 */
export function wordsOf(outcomes: OutcomeList, length: number): Uint32Array {
  if (outcomes.length < length) {
    throw new RangeError(`${length} accesses do not fit into a list of ${outcomes.length} outcomes`);
  }
  const { buffer, byteOffset } = outcomes.faultAddress;
  return new Uint32Array(buffer, byteOffset, 2 * length);
}

/** The error for a record whose access or privilege the regime does not have. */
export function accessRecordProblem(accesses: AccessList, index: number): RangeError {
  return new RangeError(
    `access ${index} at ${hex(accesses.address(index))}: access ${accesses.access(index)} with privilege ${accesses.privilege(index)} does not exist in this regime`,
  );
}

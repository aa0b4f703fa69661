import type { AccessList } from './access-list.ts';
import { hex } from './addresses.ts';
import { HPFAR_NONE, KNOWN_ALL, type OutcomeList } from './outcome-list.ts';

/**
 * Makes the first `length` outcomes ones of which everything is known and that neither fault nor complete.
 * @returns their fault addresses as pairs of words, low half first, so that a bulk walk needs no bigint
 * @throws RangeError if there are fewer outcomes
 */
export function prepareOutcomes(outcomes: OutcomeList, length: number): Uint32Array {
  if (outcomes.length < length) {
    throw new RangeError(`${length} accesses do not fit into a list of ${outcomes.length} outcomes`);
  }
  outcomes.known.fill(KNOWN_ALL, 0, length);
  outcomes.fault.fill(0, 0, length);
  outcomes.faultAddress.fill(0n, 0, length);
  outcomes.physicalAddress.fill(-1, 0, length);
  outcomes.memoryType.fill(0, 0, length);
  outcomes.hpfar?.fill(HPFAR_NONE, 0, length);
  const { buffer, byteOffset } = outcomes.faultAddress;
  return new Uint32Array(buffer, byteOffset, 2 * length);
}

/** The error for a record whose access or privilege the regime does not have. */
export function accessRecordProblem(accesses: AccessList, index: number): RangeError {
  return new RangeError(
    `access ${index} at ${hex(accesses.address(index))}: access ${accesses.access(index)} with privilege ${accesses.privilege(index)} does not exist in this regime`,
  );
}

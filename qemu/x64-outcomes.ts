import { RESULT_RECORD_WORDS, VECTOR_NONE, VECTOR_UNWRITTEN } from '../guest-stubs/protocol.ts';
import { frameOfExecutedTag, frameOfTag } from '../guest-stubs/x64/tags.ts';
import { MachineError } from '../harness/machine.ts';
import { ACCESS_RECORD_WORDS, Access, AccessFlag, type AccessList } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { Known, type OutcomeList, x64Fault } from '../src/outcome-list.ts';
import { touchedOffset, type X64Batch } from './x64-batch.ts';

const VECTOR_DB = 1;
const VECTOR_DF = 8;
const VECTOR_SS = 12;
const VECTOR_GP = 13;
const VECTOR_PF = 14;

const KNOWN_FAULT =
  Known.Completion | Known.FaultClass | Known.FaultStatus | Known.Syndrome | Known.FaultAddress;

/** What is done with a completed access whose frame its record names, or does not (−1). */
export type TakeCompleted = (position: number, taggedFrame: number) => void;

/**
 * Writes the outcomes of a batch's faults, and hands its completed accesses on.
 * @param canonicalShift 16 for 48-bit, 7 for 57-bit addresses
 */
export function decodeResults(
  machine: string,
  batch: X64Batch,
  results: Uint32Array,
  accesses: AccessList,
  outcomes: OutcomeList,
  canonicalShift: number,
  takeCompleted: TakeCompleted,
): void {
  const { faultAddressWords } = outcomes;
  for (let position = 0; position < batch.length; position++) {
    const at = position * RESULT_RECORD_WORDS;
    const vector = (results[at + 5] as number) & 0xffff;
    const access = batch.access(position);
    const valueLow = results[at] as number;
    const valueHigh = results[at + 1] as number;
    if (vector === VECTOR_UNWRITTEN) {
      throw new MachineError(
        machine,
        'failed',
        `the guest left out the record of probe ${position} of a batch`,
      );
    }
    if (vector === VECTOR_NONE && access !== Access.Execute) {
      takeCompleted(position, frameOfTag(valueLow, valueHigh));
      continue;
    }
    const probe = position * ACCESS_RECORD_WORDS;
    const touchedLow = ((batch.words[probe] as number) + touchedOffset(access)) >>> 0;
    const touchedHigh = batch.words[probe + 1] as number;
    const cr2Low = results[at + 2] as number;
    const cr2High = results[at + 3] as number;
    const isOwn = cr2Low === touchedLow && cr2High === touchedHigh;
    if (access === Access.Execute && !isFetchFault(vector, isOwn, touchedHigh, canonicalShift)) {
      takeCompleted(position, vector === VECTOR_DB ? frameOfExecutedTag(valueLow, valueHigh) : -1);
      continue;
    }

    const index = batch.order[position] as number;
    outcomes.fault[index] = x64Fault(vector, (results[at + 4] as number) & 0xff_ffff);
    outcomes.known[index] = KNOWN_FAULT;
    if (vector === VECTOR_PF) {
      if (isOwn) {
        faultAddressWords[2 * index] = accesses.words[index * ACCESS_RECORD_WORDS] as number;
        faultAddressWords[2 * index + 1] = accesses.words[index * ACCESS_RECORD_WORDS + 1] as number;
      } else {
        const distance = accesses.address(index) - join(touchedLow, touchedHigh);
        outcomes.faultAddress[index] = BigInt.asUintN(64, join(cr2Low, cr2High) + distance);
      }
    } else if ((accesses.flags(index) & AccessFlag.Stack) !== 0) {
      // The stub's accesses do not go through the stack segment, so it cannot tell #SS from #GP.
      outcomes.known[index] = Known.Completion;
    }
  }
}

/** Records that a completed access landed in `frame`; −1 leaves open where. */
export function setCompleted(
  accesses: AccessList,
  outcomes: OutcomeList,
  index: number,
  frame: number,
): void {
  outcomes.fault[index] = 0;
  if (frame < 0) {
    outcomes.known[index] = Known.Completion;
    return;
  }
  outcomes.known[index] = Known.Completion | Known.PhysicalAddress;
  const offset = (accesses.words[index * ACCESS_RECORD_WORDS] as number) & (FRAME_SIZE - 1);
  outcomes.physicalAddress[index] = frame * FRAME_SIZE + offset;
}

/**
 * Whether an exception of an execute probe comes from the fetch; all others come from the instruction that was
 * fetched. A fetch can raise #PF at its own address, and #GP if the address is not canonical; a double
 * fault is never evidence that anything was fetched.
 */
function isFetchFault(vector: number, isOwn: boolean, high: number, canonicalShift: number): boolean {
  if (vector === VECTOR_PF) return isOwn;
  if (vector === VECTOR_DF) return true;
  const signed = high | 0;
  const canonical = (signed << canonicalShift) >> canonicalShift === signed;
  return !canonical && (vector === VECTOR_GP || vector === VECTOR_SS);
}

function join(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

import {
  ExceptionClass,
  parFailed,
  parFaultStatus,
  parFrame,
  parMemoryType,
} from '../../../guest-stubs/aarch64/esr.ts';
import { VECTOR_REFUSED } from '../../../guest-stubs/aarch64/stub-protocol.ts';
import { RESULT_RECORD_WORDS, Result, VECTOR_NONE, VECTOR_UNWRITTEN } from '../../../guest-stubs/protocol.ts';
import { AccessFlag } from '../../../src/access-list.ts';
import { hex } from '../../../src/addresses.ts';
import { Known, StructuralFault, Translated } from '../../../src/outcome-list.ts';
import { addressInFrame, type Batch, type Findings } from './batch.ts';
import { NOWHERE, SCATTERED } from './landings.ts';

/** What the stub and the hooks noted of one access. */
export interface NotedAccess {
  /** The result records of its batch. */
  readonly results: Uint32Array;
  /** Of the last exception that is no completion; 0 without one. */
  readonly exceptionClass: number;
  /** Where it was seen, as in Landings. */
  readonly frame: number;
  /** Whether something was read where no memory is: by the walker, because the stub itself loads nothing before AT succeeds. */
  readonly leftMemory: boolean;
}

const KNOWN_OF_COMPLETION = Known.Completion | Known.PhysicalAddress | Known.MemoryType | Known.Shareability;

/** As UnicornGuest.conclude. */
export function concludeRecord(
  noted: NotedAccess,
  batch: Batch,
  position: number,
  findings: Findings,
): boolean {
  const { results, exceptionClass, leftMemory } = noted;
  const at = position * RESULT_RECORD_WORDS;
  const index = batch.indices[position] as number;
  const vector = (results[at + Result.Vector / 4] as number) & 0xffff;
  const parLow = results[at + Result.Value / 4] as number;
  const { outcomes, remarks } = findings;
  if (vector === VECTOR_UNWRITTEN) throw new Error(`no result for ${hex(batch.address(position))}`);
  if (vector === VECTOR_REFUSED) {
    const word = results[at + Result.FaultAddress / 4] as number;
    remarks.set(index, `not executed: ${hex(word)} at the address is not harmless`);
    return true;
  }
  if (vector !== VECTOR_NONE && exceptionClass !== 0) {
    outcomes.known[index] = Known.Completion | Known.FaultClass;
    outcomes.fault[index] = (exceptionClass << 26) >>> 0;
    if (parFailed(parLow)) {
      outcomes.known[index] = Known.Completion | Known.FaultClass | Known.FaultStatus;
      outcomes.ensureTranslated()[index] = Translated.FaultStatus;
      outcomes.fault[index] = leftMemory
        ? StructuralFault.TableOutsideMemory
        : ((exceptionClass << 26) | parFaultStatus(parLow)) >>> 0;
    }
    return true;
  }
  return concludeCompletion(noted, batch, position, findings);
}

function concludeCompletion(
  noted: NotedAccess,
  { accesses, indices }: Batch,
  position: number,
  { outcomes, remarks }: Findings,
): boolean {
  const at = position * RESULT_RECORD_WORDS + Result.Value / 4;
  const parLow = noted.results[at] as number;
  const parHigh = noted.results[at + 1] as number;
  const index = indices[position] as number;
  const isTranslation = (accesses.flags(index) & AccessFlag.TranslateOnly) !== 0;
  outcomes.known[index] = Known.Completion;
  if (isTranslation) outcomes.ensureTranslated()[index] = Translated.Everything;
  if (isTranslation && parFailed(parLow)) {
    outcomes.known[index] = Known.Completion | Known.FaultStatus;
    outcomes.fault[index] = ((ExceptionClass.DataAbortSame << 26) | parFaultStatus(parLow)) >>> 0;
    return true;
  }
  const translated = parFrame(parLow, parHigh);
  const frame = isTranslation ? translated : noted.frame;
  if (frame === NOWHERE) return false;
  if (frame === SCATTERED) {
    remarks.set(index, 'parts of one access went to different frames');
    return true;
  }
  outcomes.physicalAddress[index] = addressInFrame(accesses, index, frame);
  if (parFailed(parLow) || translated !== frame) {
    outcomes.known[index] = Known.Completion | Known.PhysicalAddress;
    remarks.set(index, 'the access completed, and AT answered otherwise');
    return true;
  }
  outcomes.known[index] = KNOWN_OF_COMPLETION;
  if (!isTranslation) outcomes.ensureTranslated()[index] = Translated.MemoryType;
  outcomes.memoryType[index] = parMemoryType(parLow, parHigh);
  return true;
}

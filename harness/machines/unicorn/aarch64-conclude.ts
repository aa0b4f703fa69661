import {
  ExceptionClass,
  parFailed,
  parFaultStatus,
  parFrame,
  parIsOfStageTwo,
  parMemoryType,
} from '../../../guest-stubs/aarch64/esr.ts';
import { VECTOR_REFUSED, VECTOR_UNREADABLE } from '../../../guest-stubs/aarch64/stub-protocol.ts';
import { RESULT_RECORD_WORDS, Result, VECTOR_NONE, VECTOR_UNWRITTEN } from '../../../guest-stubs/protocol.ts';
import { Access, AccessFlag } from '../../../src/access-list.ts';
import { hex } from '../../../src/addresses.ts';
import { HPFAR_NONE, HPFAR_OPEN, Known, StructuralFault, Translated } from '../../../src/outcome-list.ts';
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
  /** Whether the memory type of a fetch is that of a read: not while stage 1 is off, and `AT` answers for reads only. */
  readonly isFetchTypeKnown: boolean;
  /** With stage 2: as in OutcomeList. */
  readonly hpfar?: bigint;
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
  if (noted.hpfar !== undefined) outcomes.ensureHpfar()[index] = HPFAR_NONE;
  if (vector === VECTOR_UNREADABLE) {
    remarks.set(index, 'not made: stage 2 does not let the stub read what stands there');
    // A write would go where AT says; of fetches AT says nothing.
    return (
      batch.accesses.access(index) !== Access.Write || concludeTranslation(noted, batch, position, findings)
    );
  }
  if (vector !== VECTOR_NONE && exceptionClass !== 0) {
    if (noted.hpfar !== undefined) outcomes.ensureHpfar()[index] = noted.hpfar;
    outcomes.known[index] = Known.Completion | Known.FaultClass;
    outcomes.fault[index] = (exceptionClass << 26) >>> 0;
    // Of a fetch AT knows only what a read meets: not that stage 1 forbids it before stage 2 is asked.
    const isSameStage = noted.hpfar === undefined || parIsOfStageTwo(parLow) === (noted.hpfar !== HPFAR_NONE);
    if (parFailed(parLow) && isSameStage) {
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
  if (isTranslation) return concludeTranslation(noted, { accesses, indices }, position, { outcomes });
  outcomes.known[index] = Known.Completion;
  const translated = parFrame(parLow, parHigh);
  const { frame } = noted;
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
  if (!noted.isFetchTypeKnown && accesses.access(index) === Access.Execute) {
    outcomes.known[index] = Known.Completion | Known.PhysicalAddress;
    return true;
  }
  outcomes.known[index] = KNOWN_OF_COMPLETION;
  outcomes.ensureTranslated()[index] = Translated.MemoryType;
  outcomes.memoryType[index] = parMemoryType(parLow, parHigh);
  return true;
}

/** What AT says where no access was made. */
function concludeTranslation(
  { results }: NotedAccess,
  { accesses, indices }: Pick<Batch, 'accesses' | 'indices'>,
  position: number,
  { outcomes }: Pick<Findings, 'outcomes'>,
): boolean {
  const at = position * RESULT_RECORD_WORDS + Result.Value / 4;
  const [parLow, parHigh] = [results[at] as number, results[at + 1] as number];
  const index = indices[position] as number;
  outcomes.ensureTranslated()[index] = Translated.Everything;
  if (parFailed(parLow)) {
    outcomes.known[index] = Known.Completion | Known.FaultStatus;
    outcomes.fault[index] = ((ExceptionClass.DataAbortSame << 26) | parFaultStatus(parLow)) >>> 0;
    if (parIsOfStageTwo(parLow)) outcomes.ensureHpfar()[index] = HPFAR_OPEN;
    return true;
  }
  outcomes.known[index] = KNOWN_OF_COMPLETION;
  outcomes.physicalAddress[index] = addressInFrame(accesses, index, parFrame(parLow, parHigh));
  outcomes.memoryType[index] = parMemoryType(parLow, parHigh);
  return true;
}

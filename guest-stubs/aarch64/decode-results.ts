import { ACCESS_NAMES, Access, AccessFlag, type AccessList, Privilege } from '../../src/access-list.ts';
import { FRAME_SIZE, hex, wordsToBigInt } from '../../src/addresses.ts';
import {
  HPFAR_OPEN,
  KNOWN_ALL,
  Known,
  type OutcomeList,
  StructuralFault,
  Translated,
} from '../../src/outcome-list.ts';
import { RESULT_RECORD_WORDS, Result, VECTOR_NONE, VECTOR_UNWRITTEN } from '../protocol.ts';
import { frameOfTag, TAG_BYTES } from './data-tag.ts';
import {
  abortSyndrome,
  ExceptionClass,
  exceptionClassOf,
  FAULT_STATUS_EXTERNAL_ABORT,
  faultStatusOf,
  isAbort,
  isWalkAbort,
  parFailed,
  parFaultStatus,
  parFrame,
  parIsOfStageTwo,
  parMemoryType,
  withoutInstructionSyndrome,
} from './esr.ts';
import {
  VECTOR_REFUSED,
  VECTOR_SAME_LEVEL,
  VECTOR_STAGE_TWO,
  VECTOR_UNREADABLE,
  VECTOR_USER,
  WRITE_OFFSET,
} from './stub-protocol.ts';

/** What decoding needs to know of a batch besides its records. */
export interface BatchContext {
  /** The accesses of the batch as they were asked for, in order; each was made to the 16-byte slot that holds its address. */
  readonly accesses: AccessList;
  /** For each of them its index in the outcomes. */
  readonly indices: Uint32Array;
  /** Addresses of the stub's own instructions that read and write, by privilege: an abort elsewhere is no answer. */
  readonly readInstruction: readonly [bigint, bigint];
  readonly writeInstruction: readonly [bigint, bigint];
  /** Whether the memory type of a fetch is that of a read: not while stage 1 is off, and `AT` answers for reads only. */
  readonly isFetchTypeKnown: boolean;
  /**
   * Whether translations may be cached: what AT says is then no proof of where the access went, and the data tag that it
   * found alone is.
   */
  readonly keepsTlb?: boolean;
  /** Whether a data tag stands in the slot at this physical address. */
  isTagged(physicalAddress: number): boolean;
}

/** A result that cannot be the outcome of its access: the machine or the stub broke. */
export class StubResultError extends Error {
  override readonly name = 'StubResultError';
}

const RESULT_VALUE = Result.Value / 4;
const RESULT_FAULT_ADDRESS = Result.FaultAddress / 4;
const RESULT_SYNDROME = Result.Syndrome / 4;
const RESULT_VECTOR = Result.Vector / 4;
const RESULT_INSTRUCTION = Result.Instruction / 4;

const SLOT_MASK = TAG_BYTES - 1;
const ALL_BITS = 0xffff_ffff;
/** Of the high word of an address: all bits but the tag byte. */
const BELOW_TAG = 0x00ff_ffff;
/** What a record has of ELR_EL2. */
const LOW_HALF = 0xffff;

/** AT alone tells whether and where, but raises no exception. */
const KNOWN_OF_TRANSLATION =
  Known.Completion | Known.FaultStatus | Known.PhysicalAddress | Known.MemoryType | Known.Shareability;
const KNOWN_OF_UNLOCATED = KNOWN_ALL & ~(Known.PhysicalAddress | Known.MemoryType | Known.Shareability);

/**
 * Reads a batch's result records into outcomes.
 * @param results four-byte words of the result window
 * @throws StubResultError naming the access if a record is missing or makes no sense
 */
export function decodeResults(
  batch: BatchContext,
  results: Uint32Array,
  outcomes: OutcomeList,
  remarks: Map<number, string>,
): void {
  const { faultAddressWords } = outcomes;
  const { accesses } = batch;
  const instructions = instructionWords(batch);
  for (let record = 0; record < accesses.length; record++) {
    const at = record * RESULT_RECORD_WORDS;
    const index = batch.indices[record] as number;
    const vector = (results[at + RESULT_VECTOR] as number) & 0xffff;
    const syndrome = results[at + RESULT_SYNDROME] as number;
    if (vector === VECTOR_UNWRITTEN) throw broken(batch, record, 'the stub wrote no result');
    if (vector === VECTOR_REFUSED) {
      const word = results[at + RESULT_FAULT_ADDRESS] as number;
      remarks.set(index, `not executed: ${hex(word)} at the address is not harmless`);
    } else if (vector === VECTOR_UNREADABLE) {
      remarks.set(index, 'not made: stage 2 does not let the stub read what stands there');
      // A write would go where AT says; of fetches AT says nothing.
      if (accesses.access(record) === Access.Write && batch.keepsTlb !== true) {
        decodeTranslation(batch, record, results, outcomes);
      }
    } else if ((accesses.flags(record) & AccessFlag.TranslateOnly) !== 0) {
      decodeTranslation(batch, record, results, outcomes);
    } else if (vector === VECTOR_NONE || isCompletion(batch, instructions, record, results)) {
      decodeCompletion(batch, record, results, outcomes, remarks);
    } else {
      outcomes.known[index] = KNOWN_ALL;
      const exceptionClass = exceptionClassOf(syndrome);
      const walkAbort = isAbort(exceptionClass) && isWalkAbort(faultStatusOf(syndrome));
      outcomes.fault[index] = walkAbort
        ? StructuralFault.TableOutsideMemory
        : vector === VECTOR_STAGE_TWO
          ? withoutInstructionSyndrome(syndrome)
          : syndrome;
      if (vector === VECTOR_STAGE_TWO) {
        outcomes.ensureHpfar()[index] = wordsToBigInt(
          results[at + RESULT_INSTRUCTION] as number,
          results[at + RESULT_INSTRUCTION + 1] as number,
        );
      }
      // FAR names the slot, or the byte of it that a write stores: turned into the address that was asked for.
      const low = results[at + RESULT_FAULT_ADDRESS] as number;
      const accessed = accesses.access(record) === Access.Write ? WRITE_OFFSET : 0;
      const isAsExpected = (low & SLOT_MASK) === accessed;
      faultAddressWords[index * 2] = isAsExpected ? low - accessed + offsetInSlot(accesses, record) : low;
      faultAddressWords[index * 2 + 1] = results[at + RESULT_FAULT_ADDRESS + 1] as number;
    }
  }
}

/** Where the words of the instructions that write begin, behind those that read. */
const WRITE_WORDS = 4;

/** The stub's instructions, which every exception is compared with, as words: low and high, by privilege. */
function instructionWords({ readInstruction, writeInstruction }: BatchContext): Uint32Array {
  const addresses = BigUint64Array.of(...readInstruction, ...writeInstruction);
  return new Uint32Array(addresses.buffer);
}

/**
 * Whether an exception proves that the access got through: an external abort (there is no memory behind the
 * translation), or the end of a fetched data tag or undefined instruction.
 */
function isCompletion(
  batch: BatchContext,
  instructions: Uint32Array,
  record: number,
  results: Uint32Array,
): boolean {
  const at = record * RESULT_RECORD_WORDS;
  const syndrome = results[at + RESULT_SYNDROME] as number;
  const exceptionClass = exceptionClassOf(syndrome);
  const privilege = batch.accesses.privilege(record);
  const access = batch.accesses.access(record);
  const vector = (results[at + RESULT_VECTOR] as number) & 0xffff;
  const isStageTwo = vector === VECTOR_STAGE_TWO;
  if (!isStageTwo && vector !== (privilege === Privilege.User ? VECTOR_USER : VECTOR_SAME_LEVEL)) {
    throw broken(batch, record, `exception at vector ${vector} with syndrome ${hex(syndrome)}`);
  }
  const isFetch = access === Access.Execute;
  if (isFetch && !isAbort(exceptionClass)) {
    if (exceptionClass === ExceptionClass.Breakpoint || exceptionClass === ExceptionClass.Unknown)
      return true;
    return false;
  }
  const low = isStageTwo
    ? (results[at + RESULT_VECTOR] as number) >>> 16
    : (results[at + RESULT_INSTRUCTION] as number);
  const high = isStageTwo ? 0 : (results[at + RESULT_INSTRUCTION + 1] as number);
  const place = (access === Access.Write ? WRITE_WORDS : 0) + privilege * 2;
  const { words } = batch.accesses;
  const expectedLow = isFetch ? (words[record * 4] as number) & ~SLOT_MASK : (instructions[place] as number);
  const expectedHigh = (isFetch ? words[record * 4 + 1] : instructions[place + 1]) as number;
  // A branch to a tagged address drops the tag (Arm ARM D8.8.1).
  const highMask = isStageTwo ? 0 : isFetch ? BELOW_TAG : ALL_BITS;
  const differs = ((low ^ expectedLow) & (isStageTwo ? LOW_HALF : ALL_BITS)) !== 0;
  if (differs || ((high ^ expectedHigh) & highMask) !== 0) {
    const [found, expected] = [wordsToBigInt(low, high), wordsToBigInt(expectedLow, expectedHigh)];
    throw broken(batch, record, `exception ${hex(syndrome)} at ${hex(found)}, not at ${hex(expected)}`);
  }
  return isAbort(exceptionClass) && faultStatusOf(syndrome) === FAULT_STATUS_EXTERNAL_ABORT;
}

function decodeTranslation(
  { accesses, indices }: BatchContext,
  record: number,
  results: Uint32Array,
  outcomes: OutcomeList,
): void {
  const at = record * RESULT_RECORD_WORDS;
  const index = indices[record] as number;
  const low = results[at + RESULT_VALUE] as number;
  const high = results[at + RESULT_VALUE + 1] as number;
  outcomes.known[index] = KNOWN_OF_TRANSLATION;
  outcomes.ensureTranslated()[index] = Translated.Everything;
  if (parFailed(low)) {
    const status = parFaultStatus(low);
    const user = accesses.privilege(record) === Privilege.User;
    const exceptionClass = user ? ExceptionClass.DataAbortLower : ExceptionClass.DataAbortSame;
    outcomes.fault[index] = isWalkAbort(status)
      ? StructuralFault.TableOutsideMemory
      : abortSyndrome(exceptionClass, status, accesses.access(record) === Access.Write);
    if (parIsOfStageTwo(low)) outcomes.ensureHpfar()[index] = HPFAR_OPEN;
  } else {
    setPlace(outcomes, index, parFrame(low, high), offsetInFrame(accesses, record), parMemoryType(low, high));
  }
}

function decodeCompletion(
  batch: BatchContext,
  record: number,
  results: Uint32Array,
  outcomes: OutcomeList,
  remarks: Map<number, string>,
): void {
  const at = record * RESULT_RECORD_WORDS;
  const index = batch.indices[record] as number;
  const low = results[at + RESULT_VALUE] as number;
  const high = results[at + RESULT_VALUE + 1] as number;
  if (batch.keepsTlb === true) {
    decodeCachedCompletion(batch, record, results, outcomes, remarks);
    return;
  }
  if (parFailed(low)) {
    outcomes.known[index] = KNOWN_OF_UNLOCATED;
    remarks.set(index, `the access completed although AT reported fault status ${hex(parFaultStatus(low))}`);
    return;
  }
  const offset = offsetInFrame(batch.accesses, record);
  const frame = parFrame(low, high);
  const isTypeKnown = isTypeObservable(batch, record);
  outcomes.known[index] = isTypeKnown ? KNOWN_ALL : KNOWN_ALL & ~(Known.MemoryType | Known.Shareability);
  setPlace(outcomes, index, frame, offset, parMemoryType(low, high));

  const translated = outcomes.ensureTranslated();
  const ofType = isTypeKnown ? Translated.MemoryType : 0;
  translated[index] = ofType;
  const seen = seenFrame(record, results);
  if (seen === frame) return;
  translated[index] = ofType | Translated.PhysicalAddress;
  if (seen === undefined) return;
  const slot = offset & ~SLOT_MASK;
  if (seen >= 0 && batch.isTagged(seen * FRAME_SIZE + slot)) {
    outcomes.physicalAddress[index] = seen * FRAME_SIZE + offset;
    translated[index] = ofType;
    remarks.set(
      index,
      `AT reported physical address ${hex(frame * FRAME_SIZE + offset)}, the access went elsewhere`,
    );
  } else if (batch.isTagged(frame * FRAME_SIZE + slot)) {
    outcomes.known[index] = KNOWN_OF_UNLOCATED;
    translated[index] = 0;
    remarks.set(
      index,
      `AT reported physical address ${hex(frame * FRAME_SIZE + offset)}, but the access did not find what stands there`,
    );
  }
}

/** The place of an access is the tag that it found; the memory type is AT's, where AT leads to the same place. */
function decodeCachedCompletion(
  batch: BatchContext,
  record: number,
  results: Uint32Array,
  outcomes: OutcomeList,
  remarks: Map<number, string>,
): void {
  const at = record * RESULT_RECORD_WORDS;
  const index = batch.indices[record] as number;
  const low = results[at + RESULT_VALUE] as number;
  const high = results[at + RESULT_VALUE + 1] as number;
  const offset = offsetInFrame(batch.accesses, record);
  const seen = seenFrame(record, results) ?? -1;
  outcomes.known[index] = KNOWN_OF_UNLOCATED;
  if (seen < 0 || !batch.isTagged(seen * FRAME_SIZE + (offset & ~SLOT_MASK))) {
    remarks.set(index, 'the access completed, and found no data tag that says where');
    return;
  }
  outcomes.known[index] = KNOWN_OF_UNLOCATED | Known.PhysicalAddress;
  setPlace(outcomes, index, seen, offset, 0);
  if (parFailed(low) || parFrame(low, high) !== seen) {
    remarks.set(index, 'the access went where the tables, which AT walks anew, do not lead');
    return;
  }
  if (!isTypeObservable(batch, record)) return;
  outcomes.known[index] = KNOWN_ALL;
  outcomes.memoryType[index] = parMemoryType(low, high);
  outcomes.ensureTranslated()[index] = Translated.MemoryType;
}

/** Whether AT tells the memory type of the access: beside a fetch it is asked for a read, which may be of another type. */
function isTypeObservable(batch: BatchContext, record: number): boolean {
  return batch.isFetchTypeKnown || batch.accesses.access(record) !== Access.Execute;
}

/** The frame that the data tag names which the access found; −1 if it found something else; undefined if nothing. */
function seenFrame(record: number, results: Uint32Array): number | undefined {
  const at = record * RESULT_RECORD_WORDS;
  const low = results[at + RESULT_FAULT_ADDRESS] as number;
  const high = results[at + RESULT_FAULT_ADDRESS + 1] as number;
  const vector = (results[at + RESULT_VECTOR] as number) & 0xffff;
  if (vector === VECTOR_NONE) return frameOfTag(low, high);
  const exceptionClass = exceptionClassOf(results[at + RESULT_SYNDROME] as number);
  if (exceptionClass === ExceptionClass.Breakpoint) return high * 2 ** 32 + low;
  return undefined;
}

function setPlace(outcomes: OutcomeList, index: number, frame: number, offset: number, type: number): void {
  outcomes.physicalAddress[index] = frame * FRAME_SIZE + offset;
  outcomes.memoryType[index] = type;
}

function offsetInSlot(accesses: AccessList, record: number): number {
  return offsetInFrame(accesses, record) & SLOT_MASK;
}

function offsetInFrame(accesses: AccessList, record: number): number {
  return (accesses.words[record * 4] as number) & 0xfff;
}

function broken({ accesses }: BatchContext, record: number, what: string): StubResultError {
  const access = ACCESS_NAMES[accesses.access(record)];
  return new StubResultError(`${what} (${access} of ${hex(accesses.address(record))})`);
}

import { ACCESS_RECORD_WORDS } from '../../../src/access-list.ts';
import { FRAME_SIZE } from '../../../src/addresses.ts';

/** Where nothing was observed, and where parts of one access went to different frames. */
export const NOWHERE = -1;
export const SCATTERED = -2;

/** Says which record of the batch is being probed: the stub keeps it in its memory. */
export interface ProbeCursor {
  readonly words: Uint32Array;
  /** Index of the word. */
  readonly at: number;
  /** The word's value at record 0, and log2 of its distance between records. */
  readonly base: number;
  readonly shift: number;
}

const SLOT_IN_PAGE = 0xff0;
const ENTRY_BYTES = 8;

/**
 * Where the accesses of a batch go, as the emulator's memory reports them: the physical frame for each record.
 * Nothing of it is derived from what is expected.
 */
export class Landings {
  /** A frame number, {@link NOWHERE} or {@link SCATTERED}. */
  readonly frames: Float64Array;
  /** 1 where an entry's worth of memory that is not there was read: by the table walker, if the access faults. */
  readonly leftMemory: Uint8Array;
  #records: Uint32Array = new Uint32Array(0);
  #cursor: ProbeCursor | undefined;

  constructor(capacity: number) {
    this.frames = new Float64Array(capacity);
    this.leftMemory = new Uint8Array(capacity);
  }

  /** A batch begins. @param records its probe records in the stub's window */
  begin(records: Uint32Array, cursor: ProbeCursor): void {
    this.#records = records;
    this.#cursor = cursor;
    const count = records.length / ACCESS_RECORD_WORDS;
    this.frames.fill(NOWHERE, 0, count);
    this.leftMemory.fill(0, 0, count);
  }

  /** The record that is being probed. */
  get position(): number {
    const cursor = this.#cursor;
    if (cursor === undefined) return 0;
    return ((cursor.words[cursor.at] as number) - cursor.base) >>> cursor.shift;
  }

  /** Memory that is not there was read. */
  noteAbsentRead(physicalAddress: number): void {
    if (physicalAddress % ENTRY_BYTES === 0) this.leftMemory[this.position] = 1;
    this.note(physicalAddress);
  }

  /**
   * Something touched a physical address. Only what has the probed slot's offset in the page can be the probe: the
   * table walker may read at other offsets, and where it reads at the same one, in memory that is not there,
   * the access does not complete.
   */
  note(physicalAddress: number): void {
    const position = this.position;
    const low = this.#records[position * ACCESS_RECORD_WORDS] as number;
    if (((physicalAddress ^ low) & SLOT_IN_PAGE) !== 0) return;
    const frame = Math.floor(physicalAddress / FRAME_SIZE);
    const known = this.frames[position] as number;
    if (known === NOWHERE) this.frames[position] = frame;
    else if (known !== frame) this.frames[position] = SCATTERED;
  }
}

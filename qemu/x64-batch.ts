import { X64ProbeFlag } from '../guest-stubs/x64/control.ts';
import { SLOT_BYTES } from '../guest-stubs/x64/tags.ts';
import {
  ACCESS_RECORD_BYTES,
  ACCESS_RECORD_WORDS,
  Access,
  AccessFlag,
  type AccessList,
} from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';

/** Slots in a page, and so probes that a log line can tell apart. */
export const GROUP_SIZE = FRAME_SIZE / SLOT_BYTES;

/** Accesses as the stub's records. Every record's address is moved to a slot of its page. */
export class X64Batch {
  length = 0;
  /** The index in the caller's list of each record. */
  readonly order: Int32Array;
  /** Probe records, as words. */
  readonly words: Uint32Array;
  readonly #flags: number;

  /**
   * @param capacity accesses at most
   * @param protectionKeys whether PKRU exists; without, the stub must not write it
   */
  constructor(capacity: number, protectionKeys: boolean) {
    this.order = new Int32Array(capacity);
    this.words = new Uint32Array(capacity * ACCESS_RECORD_WORDS);
    this.#flags = AccessFlag.AlignmentCheck | (protectionKeys ? AccessFlag.ProtectionKeys : 0);
  }

  get full(): boolean {
    return this.length === this.order.length;
  }

  /** The records as bytes. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer, 0, this.length * ACCESS_RECORD_BYTES);
  }

  clear(): void {
    this.length = 0;
  }

  /** Appends access `index` in the slot that says where in its group it stands. */
  add(accesses: AccessList, index: number): void {
    this.#append(accesses, index, this.length % GROUP_SIZE, 0);
  }

  /** Appends access `index` in a given slot; VALUE is to be whole. */
  addInSlot(accesses: AccessList, index: number, slot: number): void {
    this.#append(accesses, index, slot, X64ProbeFlag.WholeValue);
  }

  /** The slot of record `position`. */
  slot(position: number): number {
    return ((this.words[position * ACCESS_RECORD_WORDS] as number) & (FRAME_SIZE - 1)) / SLOT_BYTES;
  }

  /** The access that record `position` performs. */
  access(position: number): Access {
    return ((this.words[position * ACCESS_RECORD_WORDS + 2] as number) & 0xff) as Access;
  }

  #append(accesses: AccessList, index: number, slot: number, extraFlags: number): void {
    const from = index * ACCESS_RECORD_WORDS;
    const to = this.length * ACCESS_RECORD_WORDS;
    const source = accesses.words;
    const what = source[from + 2] as number;
    this.words[to] = ((source[from] as number) & -FRAME_SIZE) | (slot * SLOT_BYTES);
    this.words[to + 1] = source[from + 1] as number;
    this.words[to + 2] = (what & 0xffff) | ((((what >>> 16) & this.#flags) | extraFlags) << 16);
    this.words[to + 3] = source[from + 3] as number;
    this.order[this.length] = index;
    this.length++;
  }
}

/** Offset in a record's slot of the byte whose address a fault of its access reports. */
export function touchedOffset(access: Access): number {
  return access === Access.Write ? 7 : 0;
}

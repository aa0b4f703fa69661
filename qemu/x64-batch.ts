import { STORED_BYTE, X64ProbeFlag } from '../guest-stubs/x64/control.ts';
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

  /**
   * Appends access `index` in the slot that says where in its group it stands. A write after the read of the same page
   * takes the read's slot, and stores what that has returned.
   * @param isLogged whether it is expected where there is no memory: a log says where it lands
   */
  add(accesses: AccessList, index: number, isLogged: boolean): void {
    const place = this.length % GROUP_SIZE;
    if (isLogged && place !== 0 && this.#followsRead(accesses, index)) {
      this.#append(accesses, index, this.slot(this.length - 1), X64ProbeFlag.StoreAsRead);
    } else {
      this.#append(accesses, index, place, 0);
    }
  }

  /** Appends access `index` in a given slot; VALUE is to be whole. */
  addInSlot(accesses: AccessList, index: number, slot: number): void {
    this.#append(accesses, index, slot, X64ProbeFlag.WholeValue);
  }

  /** The slot of record `position`. */
  slot(position: number): number {
    return ((this.words[position * ACCESS_RECORD_WORDS] as number) & (FRAME_SIZE - 1)) / SLOT_BYTES;
  }

  /** Whether record `position` is a write in the slot of the read before it. */
  storesAsRead(position: number): boolean {
    const what = this.words[position * ACCESS_RECORD_WORDS + 2] as number;
    return (what & (X64ProbeFlag.StoreAsRead << 16)) !== 0;
  }

  /** The access that record `position` performs. */
  access(position: number): Access {
    return ((this.words[position * ACCESS_RECORD_WORDS + 2] as number) & 0xff) as Access;
  }

  /** Whether access `index` is a write that differs from the last record's read in nothing else. */
  #followsRead(accesses: AccessList, index: number): boolean {
    const from = index * ACCESS_RECORD_WORDS;
    const last = (this.length - 1) * ACCESS_RECORD_WORDS;
    const source = accesses.words;
    return (
      ((source[from + 2] as number) & 0xff) === Access.Write &&
      (((source[from] as number) ^ (this.words[last] as number)) & -FRAME_SIZE) === 0 &&
      source[from + 1] === this.words[last + 1] &&
      this.#recordFlags(source[from + 2] as number) - Access.Write === (this.words[last + 2] as number) &&
      source[from + 3] === this.words[last + 3]
    );
  }

  /** The third word of a record, given that of the access. */
  #recordFlags(what: number): number {
    return ((what & 0xffff) | (((what >>> 16) & this.#flags) << 16)) >>> 0;
  }

  #append(accesses: AccessList, index: number, slot: number, extraFlags: number): void {
    const from = index * ACCESS_RECORD_WORDS;
    const to = this.length * ACCESS_RECORD_WORDS;
    const source = accesses.words;
    this.words[to] = ((source[from] as number) & -FRAME_SIZE) | (slot * SLOT_BYTES);
    this.words[to + 1] = source[from + 1] as number;
    this.words[to + 2] = this.#recordFlags(source[from + 2] as number) | (extraFlags << 16);
    this.words[to + 3] = source[from + 3] as number;
    this.order[this.length] = index;
    this.length++;
  }
}

/** Offset in a record's slot of the byte whose address a fault of its access reports. */
export function touchedOffset(access: Access): number {
  return access === Access.Write ? STORED_BYTE : 0;
}

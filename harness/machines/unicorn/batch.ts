import { ACCESS_RECORD_WORDS, type AccessList } from '../../../src/access-list.ts';
import { FRAME_SIZE } from '../../../src/addresses.ts';
import type { OutcomeList } from '../../../src/outcome-list.ts';

/** Records that go through a stub at once: their windows and what is noted of them stay in the processor's caches. */
export const MAX_BATCH = 8192;

const SLOT_MASK = -16;

/** Accesses on their way through the stub, as its probe records. Every address is moved to the start of its slot. */
export class Batch {
  readonly accesses: AccessList;
  /** For each record the index of its access. */
  readonly indices: Int32Array;
  length = 0;
  readonly #words: Uint32Array;
  readonly #flags: number;
  readonly #addressMask: number;

  /**
   * @param flags the bits of AccessFlag that reach the stub
   * @param exact whether addresses stay as they are
   */
  constructor(accesses: AccessList, flags: number, exact = false) {
    this.accesses = accesses;
    const size = Math.min(accesses.length, MAX_BATCH);
    this.indices = new Int32Array(size);
    this.#words = new Uint32Array(size * ACCESS_RECORD_WORDS);
    this.#flags = flags << 16;
    this.#addressMask = exact ? -1 : SLOT_MASK;
  }

  get isFull(): boolean {
    return this.length === this.indices.length;
  }

  /** The records, as words. */
  get records(): Uint32Array {
    return this.#words.subarray(0, this.length * ACCESS_RECORD_WORDS);
  }

  clear(): void {
    this.length = 0;
  }

  add(index: number): void {
    const from = index * ACCESS_RECORD_WORDS;
    const to = this.length * ACCESS_RECORD_WORDS;
    const { words } = this.accesses;
    const what = words[from + 2] as number;
    this.#words[to] = (words[from] as number) & this.#addressMask;
    this.#words[to + 1] = words[from + 1] as number;
    this.#words[to + 2] = (what & 0xffff) | (what & this.#flags);
    this.#words[to + 3] = words[from + 3] as number;
    this.indices[this.length] = index;
    this.length++;
  }

  /** Whether an address, given as its two halves, is `offset` bytes behind the one that is probed. */
  isBehind(position: number, offset: number, low: number, high: number): boolean {
    const at = position * ACCESS_RECORD_WORDS;
    return (this.#words[at] as number) + offset === low && this.#words[at + 1] === high;
  }

  /** The address that is probed. */
  address(position: number): bigint {
    const at = position * ACCESS_RECORD_WORDS;
    return (BigInt(this.#words[at + 1] as number) << 32n) | BigInt(this.#words[at] as number);
  }
}

/** The physical address of an access that landed in `frame`. */
export function addressInFrame(accesses: AccessList, index: number, frame: number): number {
  return frame * FRAME_SIZE + ((accesses.words[index * ACCESS_RECORD_WORDS] as number) % FRAME_SIZE);
}

/** What decoding a batch fills. */
export interface Findings {
  readonly outcomes: OutcomeList;
  readonly remarks: Map<number, string>;
}

/** Words of saved content that are kept allocated between operations. */
const RETAINED_WORDS = 1 << 16;
/** From this many words on, a block copy is cheaper than a loop. */
const COPY_THRESHOLD = 64;

/**
 * What an operation has overwritten in tables that existed before it, so that it can be taken back. Tables that
 * the operation itself has created need no record.
 */
export class UndoJournal {
  /** Per record: the words, the first index, and how many were saved. */
  readonly #targets: Uint32Array[] = [];
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  #saved = new Uint32Array(1024);
  #used = 0;

  /** Saves `length` words from `start` before they are overwritten. */
  save(words: Uint32Array, start: number, length: number): void {
    const from = this.#used;
    if (from + length > this.#saved.length) this.#grow(from + length);
    const saved = this.#saved;
    if (length < COPY_THRESHOLD) {
      for (let at = 0; at < length; at++) saved[from + at] = words[start + at] as number;
    } else {
      saved.set(words.subarray(start, start + length), from);
    }
    this.#used = from + length;
    this.#targets.push(words);
    this.#starts.push(start);
    this.#lengths.push(length);
  }

  /** Forgets everything: the operation has succeeded. */
  commit(): void {
    this.#used = 0;
    if (this.#targets.length === 0) return;
    this.#targets.length = 0;
    this.#starts.length = 0;
    this.#lengths.length = 0;
    if (this.#saved.length > RETAINED_WORDS) this.#saved = new Uint32Array(1024);
  }

  /** Restores everything, the latest change first. */
  rollback(): void {
    let end = this.#used;
    for (let record = this.#targets.length - 1; record >= 0; record--) {
      const length = this.#lengths[record] as number;
      (this.#targets[record] as Uint32Array).set(
        this.#saved.subarray(end - length, end),
        this.#starts[record],
      );
      end -= length;
    }
    this.commit();
  }

  #grow(needed: number): void {
    const larger = new Uint32Array(Math.max(needed, this.#saved.length * 2));
    larger.set(this.#saved);
    this.#saved = larger;
  }
}

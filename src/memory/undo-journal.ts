/** Words of saved content that stay allocated between operations. */
const RETAINED_WORDS = 1 << 16;
/** From this many words on, a block copy is cheaper than a loop. */
const COPY_THRESHOLD = 64;

/** Saved content: `length` words of an array from `start`, kept in the journal from `from`. */
interface SavedRun {
  words: Uint32Array;
  start: number;
  length: number;
  from: number;
}

/**
 * What an operation has overwritten in tables that existed before it, so that it can be taken back. Tables that
 * the operation itself has created need no record.
 */
export class UndoJournal {
  /** Records of this and earlier operations; the first {@link #count} are in use. */
  readonly #runs: SavedRun[] = [];
  #count = 0;
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
    this.#record(words, start, length, from);
  }

  /** Forgets everything: the operation has succeeded. */
  commit(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#used = 0;
    if (this.#saved.length > RETAINED_WORDS) {
      this.#saved = new Uint32Array(1024);
      this.#runs.length = 0;
    }
  }

  /** Restores everything, the latest change first. */
  rollback(): void {
    for (let at = this.#count - 1; at >= 0; at--) {
      const { words, start, length, from } = this.#runs[at] as SavedRun;
      words.set(this.#saved.subarray(from, from + length), start);
    }
    this.commit();
  }

  #record(words: Uint32Array, start: number, length: number, from: number): void {
    const run = this.#runs[this.#count++];
    if (run === undefined) {
      this.#runs.push({ words, start, length, from });
      return;
    }
    run.words = words;
    run.start = start;
    run.length = length;
    run.from = from;
  }

  #grow(needed: number): void {
    const larger = new Uint32Array(Math.max(needed, this.#saved.length * 2));
    larger.set(this.#saved);
    this.#saved = larger;
  }
}

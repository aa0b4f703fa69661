/** Words of a piece of saved content; longer runs get a piece of their own. */
const CHUNK_WORDS = 1 << 16;
/** Words that every journal has from the start, enough for operations on few pages. */
const FIRST_WORDS = 1024;
/** From this many words on, a block copy is cheaper than a loop. */
const COPY_THRESHOLD = 64;
/**
 * Pieces that wait for the next large operation of any journal, 16 MiB at most: memory that the operating system hands
 * out anew costs more than what is done with it.
 */
const spareChunks: Uint32Array[] = [];
const MOST_SPARE_CHUNKS = 64;

/** Saved content: `length` words of an array from `start`, kept in `saved` from `from`. */
interface SavedRun {
  words: Uint32Array;
  start: number;
  length: number;
  saved: Uint32Array;
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
  readonly #firstChunk = new Uint32Array(FIRST_WORDS);
  /** Pieces beyond the first. */
  #chunks: Uint32Array[] = [];
  /** The piece that is being filled, and its words in use. */
  #chunk: Uint32Array = this.#firstChunk;
  #used = 0;

  /** Saves `length` words from `start` before they are overwritten. */
  save(words: Uint32Array, start: number, length: number): void {
    if (this.#used + length > this.#chunk.length) this.#nextChunk(length);
    const from = this.#used;
    const saved = this.#chunk;
    if (length < COPY_THRESHOLD) {
      for (let at = 0; at < length; at++) saved[from + at] = words[start + at] as number;
    } else {
      saved.set(words.subarray(start, start + length), from);
    }
    this.#used = from + length;
    this.#record(words, start, length, saved, from);
  }

  /** Forgets everything: the operation has succeeded. */
  commit(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#used = 0;
    if (this.#chunks.length > 0) this.#dropChunks();
  }

  /** Restores everything, the latest change first. */
  rollback(): void {
    for (let at = this.#count - 1; at >= 0; at--) {
      const { words, start, length, saved, from } = this.#runs[at] as SavedRun;
      words.set(saved.subarray(from, from + length), start);
    }
    this.commit();
  }

  #record(words: Uint32Array, start: number, length: number, saved: Uint32Array, from: number): void {
    const run = this.#runs[this.#count++];
    if (run === undefined) {
      this.#runs.push({ words, start, length, saved, from });
      return;
    }
    run.words = words;
    run.start = start;
    run.length = length;
    run.saved = saved;
    run.from = from;
  }

  #nextChunk(needed: number): void {
    this.#chunk =
      needed > CHUNK_WORDS ? new Uint32Array(needed) : (spareChunks.pop() ?? new Uint32Array(CHUNK_WORDS));
    this.#chunks.push(this.#chunk);
    this.#used = 0;
  }

  #dropChunks(): void {
    for (const chunk of this.#chunks) {
      if (chunk.length === CHUNK_WORDS && spareChunks.length < MOST_SPARE_CHUNKS) spareChunks.push(chunk);
    }
    this.#chunks = [];
    this.#chunk = this.#firstChunk;
    // Records name chunks that other journals use now.
    this.#runs.length = 0;
  }
}

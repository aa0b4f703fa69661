/** Milliseconds before anything is shown, and between two updates. */
const DELAY = 1000;
const INTERVAL = 100;
const WIDTH = 30;

/** A bar on a terminal for work that takes longer than a second. */
export class Progress {
  readonly #write: (text: string) => void;
  readonly #started = performance.now();
  #lastShown = Number.NEGATIVE_INFINITY;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  readonly update = (done: number, total: number): void => {
    const now = performance.now();
    if (now - this.#started < DELAY || now - this.#lastShown < INTERVAL) return;
    this.#lastShown = now;
    const share = Math.min(1, done / total);
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
    this.#write(`\r${bar} ${Math.floor(share * 100)} % of ${total.toLocaleString('en-US')} probes`);
  };

  /** Clears the line. */
  end(): void {
    if (this.#lastShown > 0) this.#write('\r\u001b[K');
  }
}

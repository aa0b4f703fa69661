/**
 * Turns a guest's time stamps into seconds. A guest cannot tell how fast its time-stamp counter runs (under TCG
 * it is the host's), so the rate is measured from outside: ticks since the start against wall-clock time.
 */
export class GuestClock {
  #firstTick = 0n;
  #firstTime = Number.NaN;
  #lastTick = 0n;
  #lastTime = Number.NaN;
  #busy = 0n;

  /** The counter stands at `tick` now. */
  start(tick: bigint): void {
    this.#firstTick = tick;
    this.#firstTime = performance.now();
  }

  /** The guest was busy from one time stamp to another, which is now. */
  add(from: bigint, to: bigint): void {
    this.#busy += to - from;
    this.#lastTick = to;
    this.#lastTime = performance.now();
  }

  /** Seconds of business since the last call; NaN if the clock has not moved. */
  takeSeconds(): number {
    const rate = Number(this.#lastTick - this.#firstTick) / ((this.#lastTime - this.#firstTime) / 1000);
    const seconds = Number(this.#busy) / rate;
    this.#busy = 0n;
    return seconds;
  }
}

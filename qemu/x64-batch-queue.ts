import {
  CONTROL_OFFSET,
  Control,
  MAX_BATCH,
  PROBE_WINDOW_OFFSET,
  RESULT_RECORD_BYTES,
  RESULT_WINDOW_OFFSET,
} from '../guest-stubs/protocol.ts';
import { X64Queue } from '../guest-stubs/x64/control.ts';
import { ACCESS_RECORD_BYTES } from '../src/access-list.ts';
import type { GuestRam } from './guest-ram.ts';

/** Probes in a batch at most: every batch in the queue has its own part of the windows. */
export const BATCH_LIMIT = MAX_BATCH / X64Queue.Blocks;

/** Batches in the queue at most. */
export const QUEUE_LIMIT = X64Queue.Blocks;

/** A batch in the queue. */
export interface QueuedBatch {
  /** Its probes, or what else its COMMAND takes from the probe window. */
  readonly count: number;
  /** Physical addresses of its parts of the windows. */
  readonly probes: number;
  readonly results: number;
}

/** A batch that the guest has completed. */
export interface CompletedBatch extends QueuedBatch {
  /** Probes that the guest says it has made. */
  readonly done: number;
  /** The guest's clock before and after. */
  readonly t0: bigint;
  readonly t1: bigint;
}

/** The part of a block that the host writes at once, and the part that it reads. */
const BLOCK_START = Control.Count;
const BLOCK_END = Control.T1 + 8;

/**
 * The host's end of a stub's queue of batches (PROTOCOL.md, x64): the guest goes on from one to the next without waiting
 * for the host.
 */
export class X64BatchQueue {
  readonly #ram: GuestRam;
  readonly #region: number;
  readonly #waiting: QueuedBatch[] = [];
  readonly #block = new Uint8Array(BLOCK_END - BLOCK_START);
  readonly #view = new DataView(this.#block.buffer);
  #posted = 0;
  #completed = 0;

  /** @param region physical address of a fresh stub's region */
  constructor(ram: GuestRam, region: number) {
    this.#ram = ram;
    this.#region = region;
  }

  /** The batch that the guest completes next. */
  get first(): QueuedBatch | undefined {
    return this.#waiting[0];
  }

  /** The batch that {@link post} will put in the queue: its parts of the windows are to be filled before. */
  next(count: number): QueuedBatch {
    const place = (this.#posted + 1) % X64Queue.Blocks;
    return {
      count,
      probes: this.#region + PROBE_WINDOW_OFFSET + place * BATCH_LIMIT * ACCESS_RECORD_BYTES,
      results: this.#region + RESULT_WINDOW_OFFSET + place * BATCH_LIMIT * RESULT_RECORD_BYTES,
    };
  }

  /** Puts a batch in the queue, which holds {@link QUEUE_LIMIT} at most. */
  post(batch: QueuedBatch, command: number): void {
    this.#posted++;
    const view = this.#view;
    this.#block.fill(0);
    view.setUint32(Control.Count - BLOCK_START, batch.count, true);
    view.setUint32(Control.Command - BLOCK_START, command, true);
    view.setUint32(Control.Probes - BLOCK_START, batch.probes - this.#region, true);
    view.setUint32(Control.Results - BLOCK_START, batch.results - this.#region, true);
    this.#ram.write(this.#blockAddress(this.#posted), this.#block);
    this.#waiting.push(batch);
    this.#ram.writeU32(this.#region + CONTROL_OFFSET + Control.Doorbell, this.#posted);
  }

  /** Whether the guest has completed the first batch of the queue. */
  isComplete(): boolean {
    const acknowledged = this.#ram.readU32(this.#region + CONTROL_OFFSET + Control.Ack);
    return ((acknowledged - this.#completed - 1) | 0) >= 0;
  }

  /** Takes the first batch, which the guest has completed, out of the queue. */
  take(): CompletedBatch {
    const batch = this.#waiting.shift();
    if (batch === undefined) throw new RangeError('the queue of batches is empty');
    this.#completed++;
    this.#ram.read(this.#blockAddress(this.#completed), this.#block);
    const view = this.#view;
    return {
      ...batch,
      done: view.getUint32(Control.Done - BLOCK_START, true),
      t0: view.getBigUint64(Control.T0 - BLOCK_START, true),
      t1: view.getBigUint64(Control.T1 - BLOCK_START, true),
    };
  }

  #blockAddress(number: number): number {
    const block = number % X64Queue.Blocks;
    return this.#region + CONTROL_OFFSET + X64Queue.Offset + block * X64Queue.BlockBytes + BLOCK_START;
  }
}

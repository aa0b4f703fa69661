import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { MAX_BATCH } from './batch.ts';
import { type ProcessorModel, UnicornEngine } from './engine.ts';
import { GuestMemory } from './guest-memory.ts';
import { Landings } from './landings.ts';
import type { UnicornLibrary } from './library.ts';
import type { Extent } from './memory-blocks.ts';

/** What an {@link ObservedProcessor} is made of. */
export interface ProcessorSetup {
  readonly library: UnicornLibrary;
  readonly model: ProcessorModel;
  readonly image: PhysicalMemory;
  /** Where the stub may live. */
  readonly regions: readonly Extent[];
  readonly physicalAddressBits: number;
  /** Asked while code from a physical address is translated: whether it is the stub's own. All else is stopped. */
  isOwnFetch(physicalAddress: number): boolean;
}

/**
 * A processor with all of its physical address space: every access of a probe to it is noted, and no fetched
 * instruction but the stub's runs.
 */
export class ObservedProcessor {
  readonly engine: UnicornEngine;
  readonly memory: GuestMemory;
  readonly landings: Landings;
  #isClosed = false;

  constructor(setup: ProcessorSetup) {
    const landings = new Landings(MAX_BATCH);
    const engine = new UnicornEngine(setup.library, setup.model);
    this.engine = engine;
    this.landings = landings;
    try {
      engine.onProtectedRead((_engine, _type, address) => {
        landings.note(address);
        return true;
      });
      engine.onProtectedFetch((_engine, _type, address) => {
        if (setup.isOwnFetch(address)) return true;
        landings.note(address);
        return false;
      });
      const absent = {
        read: engine.readCallback((_engine, offset, _size, base) => {
          landings.noteAbsentRead(base + offset);
          return 0;
        }),
        write: engine.writeCallback((_engine, offset, _size, _value, base) => landings.note(base + offset)),
      };
      const end = 2 ** setup.physicalAddressBits;
      this.memory = new GuestMemory(engine, setup.image, setup.regions, end, absent);
    } catch (cause) {
      engine.close();
      throw cause;
    }
  }

  /** Releases everything. Safe to call more than once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.engine.close();
    this.memory.release();
  }
}

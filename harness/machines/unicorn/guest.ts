import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { Batch, Findings } from './batch.ts';

/**
 * An image in a processor of its own, with the stub. The stub can be in several places: a place is a way to
 * map it and a region that it lives in, and an access is made from one that it does not meet.
 */
export interface UnicornGuest {
  /** Whether the regime has user accesses. */
  readonly hasUser: boolean;
  /** Bits of AccessFlag that the stub is given. */
  readonly flags: number;
  /**
   * Which places an access (its address as two 32-bit words) does not meet by its address. The first is the
   * best. Those come last where it would also meet the stub's region if it landed in `frame`. None: the access
   * cannot be made.
   */
  placesFor(low: number, high: number, frame: number): readonly number[];
  /** Why there is no such place; undefined where the stub would be met, which stays where it is. */
  reasonWithoutPlace?(low: number, high: number): string | undefined;
  /** Makes the accesses from a place. @throws MachineError 'failed' if the stub does not come through */
  run(place: number, batch: Batch): void;
  /**
   * Writes the outcome of one record of the batch that ran last.
   * @returns false if the access completed and nothing was seen of where
   */
  conclude(batch: Batch, position: number, findings: Findings): boolean;
  /** The image's ranges as they are now. */
  readBack(): PhysicalMemory;
  /** Releases everything. Safe to call more than once. */
  close(): void;
}

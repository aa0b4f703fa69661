import { BLOB } from '../../../guest-stubs/aarch64/blob.ts';
import type { Installation, StubPlan } from '../../../guest-stubs/aarch64/stub-plan.ts';
import {
  CONTROL_BYTES,
  PROBE_WINDOW_OFFSET,
  REGION_BYTES,
  RESULT_WINDOW_OFFSET,
} from '../../../guest-stubs/aarch64/stub-protocol.ts';
import { CONTROL_OFFSET, Control, RESULT_RECORD_BYTES } from '../../../guest-stubs/protocol.ts';
import { ACCESS_RECORD_BYTES } from '../../../src/access-list.ts';
import { MAX_BATCH } from './batch.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Extent } from './memory-blocks.ts';

/** The stub in one region under one installation. */
export interface Place extends Installation {
  readonly region: Extent;
  /** Views of the whole region, of its probe window and of its result window. */
  readonly words: Uint32Array;
  readonly records: Uint32Array;
  readonly results: Uint32Array;
}

/**
 * The places that can make a probe, the best one first: it, and the same installation in the other region. Places are
 * numbered 2 × region + installation.
 */
export function placesFrom(region: 0 | 1, installation: 0 | 1): readonly number[] {
  return PLACES[2 * region + installation] as readonly number[];
}

const PLACES: readonly (readonly number[])[] = [
  [0, 2],
  [1, 3],
  [2, 0],
  [3, 1],
];

/** Puts a fresh stub into a region, and plans what it runs under there. */
export function setUpPlace(memory: GuestMemory, plan: StubPlan, region: Extent, installation: 0 | 1): Place {
  const { address } = region;
  const readMemory = (from: number, bytes: Uint8Array) => memory.read(from, bytes);
  const installed = plan.install(installation, address, readMemory);
  memory.write(address, BLOB);
  const control = memory.words(address + CONTROL_OFFSET, CONTROL_BYTES);
  control[Control.Probes / 4] = PROBE_WINDOW_OFFSET;
  control[Control.Results / 4] = RESULT_WINDOW_OFFSET;
  return {
    ...installed,
    region,
    words: memory.words(address, REGION_BYTES),
    records: memory.words(address + PROBE_WINDOW_OFFSET, MAX_BATCH * ACCESS_RECORD_BYTES),
    results: memory.words(address + RESULT_WINDOW_OFFSET, MAX_BATCH * RESULT_RECORD_BYTES),
  };
}

import { Known } from '../../src/outcome-list.ts';
import type { Architecture } from '../../src/registers.ts';

/** What each column of an observation is called, in the terms of the architecture. */
const COLUMN_WORDS: readonly (readonly [number, Readonly<Record<Architecture, string>>])[] = [
  [Known.Completion, { x64: 'completion', aarch64: 'completion' }],
  [Known.FaultClass, { x64: 'vector', aarch64: 'exception class' }],
  [Known.FaultStatus, { x64: 'error code', aarch64: 'fault status with level' }],
  [Known.Syndrome, { x64: '', aarch64: 'whole ESR' }],
  [Known.FaultAddress, { x64: 'CR2', aarch64: 'FAR' }],
  [Known.PhysicalAddress, { x64: 'physical address', aarch64: 'physical address' }],
  [Known.MemoryType, { x64: 'memory type', aarch64: 'memory type (MAIR byte)' }],
  [Known.Shareability, { x64: '', aarch64: 'shareability' }],
];

/** The columns that exist on an architecture, divided into what a machine answers and what it does not. */
export interface ObservationWords {
  readonly observes: readonly string[];
  readonly doesNotObserve: readonly string[];
}

/**
 * Bits of {@link Known} in words.
 *
 * @param observes bits of {@link Known} that a machine answers
 */
export function observationWords(observes: number, architecture: Architecture): ObservationWords {
  const columns = COLUMN_WORDS.filter(([, words]) => words[architecture] !== '');
  const named = (wanted: boolean): string[] =>
    columns.filter(([bit]) => ((observes & bit) !== 0) === wanted).map(([, words]) => words[architecture]);
  return { observes: named(true), doesNotObserve: named(false) };
}

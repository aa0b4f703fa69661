import { AccessList } from '../../../src/access-list.ts';
import { FRAME_SIZE } from '../../../src/addresses.ts';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { type OutcomeColumns, OutcomeList } from '../../../src/outcome-list.ts';
import type { Registers } from '../../../src/registers.ts';
import type { GuestImage, MachineError, MachineErrorCode, Observations, ProbeList } from '../../machine.ts';

/**
 * What a machine in another thread is told, and what it answers: one answer to each request, in their order. The
 * typed arrays in both are moved, not copied.
 */
export type Request =
  | { readonly kind: 'load'; readonly registers: Registers; readonly memory: MovableMemory }
  | { readonly kind: 'probe'; readonly probes: MovableProbes }
  | { readonly kind: 'read-back' }
  | { readonly kind: 'close' };

/** What the answer to a request holds. */
export interface Results {
  readonly load: undefined;
  readonly probe: MovableObservations;
  readonly 'read-back': MovableMemory;
  readonly close: undefined;
}

export type Answer =
  | { readonly result: Results[Request['kind']] }
  | { readonly error: { readonly code: MachineErrorCode; readonly message: string } };

/** What the thread is made with. */
export interface WorkerOptions {
  /** As MACHINES of registry.ts knows it. */
  readonly machine: string;
  readonly timeLimit: number | undefined;
}

export type MovableMemory = readonly {
  readonly firstFrame: number;
  readonly words: Uint32Array<ArrayBuffer>;
}[];

export interface MovableProbes {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly expectedFrames: Float64Array<ArrayBuffer>;
}

export interface MovableObservations {
  readonly outcomes: OutcomeColumns;
  readonly remarks: ReadonlyMap<number, string>;
  readonly guestSeconds: number;
}

/** A copy that can be moved. */
export function movableMemory(memory: PhysicalMemory): MovableMemory {
  return memory.ranges.map(({ firstFrame, words }) => ({ firstFrame, words: new Uint32Array(words) }));
}

export function memoryFrom(movable: MovableMemory): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (const { firstFrame, words } of movable) {
    memory.addRange(
      BigInt(firstFrame) * BigInt(FRAME_SIZE),
      words.buffer,
      words.byteOffset,
      words.byteLength,
    );
  }
  return memory;
}

export function imageFrom({ registers, memory }: Request & { readonly kind: 'load' }): GuestImage {
  return { registers, memory: memoryFrom(memory) };
}

/** A copy that can be moved. */
export function movableProbes({ accesses, expectedFrames }: ProbeList): MovableProbes {
  return { words: new Uint32Array(accesses.words), expectedFrames: new Float64Array(expectedFrames) };
}

export function probesFrom({ words, expectedFrames }: MovableProbes): ProbeList {
  const accesses = new AccessList(expectedFrames.length, words.buffer, words.byteOffset);
  return { accesses, expectedFrames };
}

/** The observations themselves, without their methods. */
export function movableObservations({ outcomes, remarks, guestSeconds }: Observations): MovableObservations {
  const { length, known, fault, faultAddress, physicalAddress, memoryType, hpfar, translated } = outcomes;
  const columns = { length, known, fault, faultAddress, physicalAddress, memoryType, hpfar, translated };
  return { outcomes: columns, remarks, guestSeconds };
}

export function observationsFrom({ outcomes, remarks, guestSeconds }: MovableObservations): Observations {
  const list = new OutcomeList(outcomes.length);
  list.setFrom(outcomes, 0);
  return { outcomes: list, remarks, guestSeconds };
}

/** The memory of all typed arrays in a message, each once. */
export function buffersOf(message: unknown): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  collectBuffers(message, buffers);
  return [...buffers];
}

function collectBuffers(value: unknown, buffers: Set<ArrayBuffer>): void {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
  } else if (typeof value === 'object' && value !== null && !(value instanceof Map)) {
    for (const part of Object.values(value)) collectBuffers(part, buffers);
  }
}

/** An error as plain data. */
export function describeError(error: MachineError): Answer {
  const prefix = `${error.machine}: `;
  const { code, message } = error;
  return { error: { code, message: message.startsWith(prefix) ? message.slice(prefix.length) : message } };
}

import { Access, AccessList, type Privilege } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { ProbeList } from './machine.ts';
import { offsetOfPoint, pageOfPoint } from './plan-points.ts';

/** What predicts outcomes: the walker. */
export interface Predictor {
  predict(accesses: AccessList, outcomes: OutcomeList): void;
}

/**
 * The offset in bytes of a 16-byte slot of a frame (given as its 1024 words) that may be executed without
 * harm, or −1 if there is none. Which content is harmless is the architecture's business: see guest-stubs.
 */
export type HarmlessFetchSlot = (frameWords: Uint32Array) => number;

/** What a plan is made for. */
export interface PlanSubject {
  readonly predictor: Predictor;
  /** The image under test: where an execute probe would land in it, the slot is chosen with care. */
  readonly memory: PhysicalMemory;
  /** The privileges that the regime tells apart. */
  readonly privileges: readonly Privilege[];
  readonly harmlessFetchSlot: HarmlessFetchSlot;
}

/** A bounded part of the plan: points, the accesses to them, and what the walker predicts. */
export interface PlanChunk {
  /** Ascending; see plan-points.ts. */
  readonly points: Float64Array;
  /** For each access the index of its point. */
  readonly pointOf: Uint32Array;
  readonly probes: ProbeList;
  readonly predicted: OutcomeList;
  /** Probes that could not be made safely: they are reported as not observable, never as passed. */
  readonly notMade: readonly ProbeNotMade[];
}

export interface ProbeNotMade {
  readonly address: bigint;
  readonly access: Access;
  readonly privilege: Privilege;
  readonly reason: string;
}

export const ACCESSES: readonly Access[] = [Access.Read, Access.Write, Access.Execute];
const NO_SLOT = -1;

/** Why an execute probe into the image is not made. */
export const NO_HARMLESS_SLOT = 'the page belongs to the image and has no slot that is harmless to execute';

/** Accesses that one point gets: every access at every privilege. */
export function accessesPerPoint(privileges: readonly Privilege[]): number {
  return ACCESSES.length * privileges.length;
}

/** Makes the probes for a batch of points. */
export function planChunk(points: Float64Array, subject: PlanSubject): PlanChunk {
  const first = listAccesses(points, subject, new Map());
  const { frames, fetchSlots } = landings(points, first, subject);
  const { accesses, pointOf, predicted } =
    fetchSlots.size === 0 ? first : listAccesses(points, subject, fetchSlots);
  const expectedFrames = new Float64Array(accesses.length);
  for (let index = 0; index < expectedFrames.length; index++) {
    expectedFrames[index] = frames[pointOf[index] as number] as number;
  }
  const notMade = [...fetchSlots]
    .filter(([, slot]) => slot === NO_SLOT)
    .flatMap(([point]) => fetchesNotMade(points[point] as number, subject));
  return { points, pointOf, probes: { accesses, expectedFrames }, predicted, notMade };
}

interface PredictedAccesses {
  readonly accesses: AccessList;
  readonly pointOf: Uint32Array;
  readonly predicted: OutcomeList;
}

/**
 * Every access to every point, in order, with its prediction.
 * @param fetchSlots for points (by index) whose execute probe needs another slot: its offset, or that there is none
 */
function listAccesses(
  points: Float64Array,
  { predictor, privileges }: PlanSubject,
  fetchSlots: ReadonlyMap<number, number>,
): PredictedAccesses {
  const unmade = [...fetchSlots.values()].filter((slot) => slot === NO_SLOT).length * privileges.length;
  const accesses = new AccessList(points.length * accessesPerPoint(privileges) - unmade);
  const pointOf = new Uint32Array(accesses.length);
  let index = 0;
  for (let point = 0; point < points.length; point++) {
    const key = points[point] as number;
    const page = pageOfPoint(key);
    const high = Math.floor(page / 0x10_0000);
    const pageLow = (page % 0x10_0000) * FRAME_SIZE;
    const low = pageLow + offsetOfPoint(key);
    const fetchSlot = fetchSlots.get(point);
    for (const privilege of privileges) {
      for (const access of ACCESSES) {
        if (access !== Access.Execute || fetchSlot === undefined) {
          accesses.set(index, low, high, access, privilege);
        } else if (fetchSlot !== NO_SLOT) {
          accesses.set(index, pageLow + fetchSlot, high, access, privilege);
        } else {
          continue;
        }
        pointOf[index++] = point;
      }
    }
  }
  const predicted = new OutcomeList(accesses.length);
  predictor.predict(accesses, predicted);
  return { accesses, pointOf, predicted };
}

/**
 * In which frame each point lands (−1 if no access to it completes), and which slot to execute where that
 * frame belongs to the image.
 */
function landings(
  points: Float64Array,
  { accesses, pointOf, predicted }: PredictedAccesses,
  { memory, harmlessFetchSlot }: PlanSubject,
): { frames: Float64Array; fetchSlots: Map<number, number> } {
  const frames = new Float64Array(points.length).fill(-1);
  for (let index = 0; index < accesses.length; index++) {
    const physicalAddress = predicted.physicalAddress[index] as number;
    if (physicalAddress >= 0) frames[pointOf[index] as number] = Math.floor(physicalAddress / FRAME_SIZE);
  }
  const fetchSlots = new Map<number, number>();
  for (let point = 0; point < frames.length; point++) {
    const frame = frames[point] as number;
    const words = frame < 0 ? undefined : memory.frameWords(frame);
    if (words !== undefined) fetchSlots.set(point, harmlessFetchSlot(words));
  }
  return { frames, fetchSlots };
}

function fetchesNotMade(point: number, { privileges }: PlanSubject): ProbeNotMade[] {
  return privileges.map((privilege) => ({
    address: (BigInt(pageOfPoint(point)) << 12n) + BigInt(offsetOfPoint(point)),
    access: Access.Execute,
    privilege,
    reason: NO_HARMLESS_SLOT,
  }));
}

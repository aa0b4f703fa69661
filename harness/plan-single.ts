import { Access, AccessList } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { ProbeList } from './machine.ts';
import { ACCESSES, NO_HARMLESS_SLOT, type PlanSubject } from './plan.ts';
import { SLOT_BYTES } from './plan-points.ts';

/** Every access to one address. */
export interface SingleAddressPlan {
  readonly probes: ProbeList;
  readonly predicted: OutcomeList;
  /** Why there are no execute probes; undefined if there are. */
  readonly notExecuted: string | undefined;
}

/**
 * Plans every access to the 16-byte slot that holds an address. Where it would land in the image, the execute
 * probes go to a slot of the same page that is harmless.
 */
export function planAddress(address: bigint, subject: PlanSubject): SingleAddressPlan {
  const slot = address - (address % BigInt(SLOT_BYTES));
  const first = listAccesses(slot, slot, subject);
  const landing = first.predicted.physicalAddress.find((physicalAddress) => physicalAddress >= 0);
  const frame = landing === undefined ? -1 : Math.floor(landing / FRAME_SIZE);
  const words = frame < 0 ? undefined : subject.memory.frameWords(frame);
  if (words === undefined) return withFrame(first, frame, undefined);
  const offset = subject.harmlessFetchSlot(words);
  if (offset < 0) {
    return withFrame(listAccesses(slot, undefined, subject), frame, NO_HARMLESS_SLOT);
  }
  const fetchSlot = address - (address % BigInt(FRAME_SIZE)) + BigInt(offset);
  return withFrame(listAccesses(slot, fetchSlot, subject), frame, undefined);
}

interface PredictedAccesses {
  readonly accesses: AccessList;
  readonly predicted: OutcomeList;
}

function listAccesses(
  slot: bigint,
  fetchSlot: bigint | undefined,
  { privileges, predictor }: PlanSubject,
): PredictedAccesses {
  const wanted = privileges.flatMap((privilege) =>
    ACCESSES.map((access) => ({ access, privilege, address: access === Access.Execute ? fetchSlot : slot })),
  );
  const made = wanted.filter(({ address }) => address !== undefined);
  const accesses = new AccessList(made.length);
  for (const [index, { access, privilege, address = slot }] of made.entries()) {
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    accesses.set(index, low, high, access, privilege);
  }
  const predicted = new OutcomeList(made.length);
  predictor.predict(accesses, predicted);
  return { accesses, predicted };
}

function withFrame(
  { accesses, predicted }: PredictedAccesses,
  frame: number,
  notExecuted: string | undefined,
): SingleAddressPlan {
  const expectedFrames = new Float64Array(accesses.length).fill(frame);
  return { probes: { accesses, expectedFrames }, predicted, notExecuted };
}

import { ACCESS_RECORD_WORDS, Privilege } from '../../../src/access-list.ts';
import { OutcomeList } from '../../../src/outcome-list.ts';
import type { Observations, ProbeList } from '../../machine.ts';
import { Batch, type Findings } from './batch.ts';
import type { UnicornGuest } from './guest.ts';

const MEETS_THE_STUB = 'not made: it would meet the probe stub, which stays where it is';

/** Makes the probes on a guest, in as many batches as it takes. */
export function probeGuest(guest: UnicornGuest, { accesses, expectedFrames }: ProbeList): Observations {
  const findings = { outcomes: new OutcomeList(accesses.length), remarks: new Map<number, string>() };
  const places = (index: number) => {
    const at = index * ACCESS_RECORD_WORDS;
    return guest.placesFor(
      accesses.words[at] as number,
      accesses.words[at + 1] as number,
      expectedFrames[index] as number,
    );
  };
  const batch = new Batch(accesses, guest.flags);
  const unseen: number[] = [];
  let seconds = 0;
  let place = -1;
  const flush = () => {
    if (batch.length > 0) seconds += runBatch(guest, place, batch, findings, unseen);
    batch.clear();
  };
  for (let index = 0; index < accesses.length; index++) {
    if (!guest.hasUser && accesses.privilege(index) === Privilege.User) {
      findings.remarks.set(index, 'this translation regime has no user accesses');
      continue;
    }
    const wanted = places(index)[0];
    if (wanted === undefined) {
      const at = index * ACCESS_RECORD_WORDS;
      const [low, high] = [accesses.words[at] as number, accesses.words[at + 1] as number];
      findings.remarks.set(index, guest.reasonWithoutPlace?.(low, high) ?? MEETS_THE_STUB);
      continue;
    }
    if (wanted !== place || batch.isFull) flush();
    place = wanted;
    batch.add(index);
  }
  flush();
  for (const index of unseen) seconds += probeAlone(guest, batch, index, places(index), findings);
  return { ...findings, guestSeconds: seconds };
}

/** @returns seconds that the guest ran */
function runBatch(
  guest: UnicornGuest,
  place: number,
  batch: Batch,
  findings: Findings,
  unseen: number[],
): number {
  const start = performance.now();
  guest.run(place, batch);
  const seconds = (performance.now() - start) / 1000;
  for (let position = 0; position < batch.length; position++) {
    if (!guest.conclude(batch, position, findings)) unseen.push(batch.indices[position] as number);
  }
  return seconds;
}

/**
 * An access that completed unseen went to memory that the processor had touched before in the same batch, or
 * to the stub's own. So it is made again alone, then from other places.
 */
function probeAlone(
  guest: UnicornGuest,
  batch: Batch,
  index: number,
  places: readonly number[],
  findings: Findings,
): number {
  let seconds = 0;
  for (const place of places) {
    batch.clear();
    batch.add(index);
    const unseen: number[] = [];
    seconds += runBatch(guest, place, batch, findings, unseen);
    if (unseen.length === 0) return seconds;
  }
  findings.remarks.set(index, 'the access completed, but in memory where it was not observed');
  return seconds;
}

import { expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { PlanSubject } from './plan.ts';
import { planAddress } from './plan-single.ts';

const subject: PlanSubject = {
  predictor: {
    predict(accesses, outcomes) {
      for (let index = 0; index < accesses.length; index++) {
        outcomes.physicalAddress[index] = Number(accesses.address(index));
      }
    },
  },
  memory: PhysicalMemory.allocate(0x2000, 0x1000),
  privileges: [Privilege.Supervisor, Privilege.User],
  harmlessFetchSlot: () => 0x40,
};

const addresses = (address: bigint, harmless = 0x40) => {
  const { probes, notExecuted } = planAddress(address, { ...subject, harmlessFetchSlot: () => harmless });
  const list = Array.from({ length: probes.accesses.length }, (_, index) => probes.accesses.address(index));
  return { list, notExecuted, frames: [...probes.expectedFrames] };
};

test('every access goes to the slot that holds the address', () => {
  const { list, notExecuted, frames } = addresses(0x5_5678n);
  expect(list).toEqual(Array(6).fill(0x5_5670n));
  expect(frames).toEqual(Array(6).fill(0x55));
  expect(notExecuted).toBeUndefined();
});

test('in the image, execute probes go to a harmless slot of the same page', () => {
  expect(addresses(0x2678n).list).toEqual([0x2670n, 0x2670n, 0x2040n, 0x2670n, 0x2670n, 0x2040n]);
});

test('… and are left out, with a reason, where there is none', () => {
  const { list, notExecuted } = addresses(0x2678n, -1);
  expect(list).toEqual(Array(4).fill(0x2670n));
  expect(notExecuted).toContain('harmless');
  const { probes } = planAddress(0x2678n, { ...subject, harmlessFetchSlot: () => -1 });
  for (let index = 0; index < 4; index++) expect(probes.accesses.access(index)).not.toBe(Access.Execute);
});

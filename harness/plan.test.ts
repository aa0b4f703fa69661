import { describe, expect, test } from 'vitest';
import { ACCESS_NAMES, Access, PRIVILEGE_NAMES, Privilege } from '../src/access-list.ts';
import { hex } from '../src/addresses.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { x64Fault } from '../src/outcome-list.ts';
import { type PlanChunk, type PlanSubject, type Predictor, planChunk } from './plan.ts';
import { firstSlot, lastSlot } from './plan-points.ts';

const BOTH = [Privilege.Supervisor, Privilege.User];
const NOTHING_MAPPED_FROM = 0x10_0000n;

/** Maps everything below 1 MiB to itself; the user may only read. */
const identity: Predictor = {
  predict(accesses, outcomes) {
    for (let index = 0; index < accesses.length; index++) {
      const address = accesses.address(index);
      const denied = accesses.privilege(index) === Privilege.User && accesses.access(index) !== Access.Read;
      if (address >= NOTHING_MAPPED_FROM || denied) {
        outcomes.fault[index] = x64Fault(14, 0);
        outcomes.faultAddress[index] = address;
      } else {
        outcomes.physicalAddress[index] = Number(address);
      }
    }
  },
};

const subject: PlanSubject = {
  predictor: identity,
  memory: new PhysicalMemory(),
  privileges: BOTH,
  harmlessFetchSlot: () => {
    throw new Error('no frame of the image is reached');
  },
};

function listed({ probes: { accesses } }: PlanChunk): string[] {
  return Array.from(
    { length: accesses.length },
    (_, index) =>
      `${hex(accesses.address(index))} ${PRIVILEGE_NAMES[accesses.privilege(index)]} ${ACCESS_NAMES[accesses.access(index)]}`,
  );
}

describe('a plan', () => {
  test('reads, writes and executes each point as supervisor and as user', () => {
    expect(listed(planChunk(Float64Array.of(lastSlot(0x12)), subject))).toEqual([
      '0x12ff0 supervisor read',
      '0x12ff0 supervisor write',
      '0x12ff0 supervisor execute',
      '0x12ff0 user read',
      '0x12ff0 user write',
      '0x12ff0 user execute',
    ]);
  });

  test('leaves the user out where the regime has none', () => {
    const chunk = planChunk(Float64Array.of(firstSlot(1), firstSlot(2)), {
      ...subject,
      privileges: [Privilege.Supervisor],
    });
    expect(listed(chunk)).toHaveLength(6);
    expect(chunk.pointOf).toEqual(Uint32Array.of(0, 0, 0, 1, 1, 1));
  });

  test('writes addresses of the upper half as they are', () => {
    const page = 2 ** 52 - 1;
    expect(listed(planChunk(Float64Array.of(lastSlot(page)), subject))[0]).toBe(
      '0xfffffffffffffff0 supervisor read',
    );
  });

  test('expects every access to a point in the frame where any of them lands', () => {
    const chunk = planChunk(Float64Array.of(firstSlot(3), firstSlot(0x100)), subject);
    expect([...chunk.probes.expectedFrames]).toEqual([3, 3, 3, 3, 3, 3, -1, -1, -1, -1, -1, -1]);
  });

  test('carries the prediction of each access', () => {
    const { predicted } = planChunk(Float64Array.of(firstSlot(3)), subject);
    expect([...predicted.physicalAddress]).toEqual([0x3000, 0x3000, 0x3000, 0x3000, -1, -1]);
  });
});

describe('an execute probe into the image', () => {
  const memory = PhysicalMemory.allocate(0x2000, 0x1000);
  const points = Float64Array.of(firstSlot(1), firstSlot(2));

  test('goes to a slot that is harmless, with the prediction of that slot; reads and writes stay', () => {
    const chunk = planChunk(points, { ...subject, memory, harmlessFetchSlot: () => 0x50 });
    expect(listed(chunk).slice(6)).toEqual([
      '0x2000 supervisor read',
      '0x2000 supervisor write',
      '0x2050 supervisor execute',
      '0x2000 user read',
      '0x2000 user write',
      '0x2050 user execute',
    ]);
    expect(chunk.predicted.physicalAddress[8]).toBe(0x2050);
    expect(chunk.predicted.faultAddress[11]).toBe(0x2050n);
    expect(chunk.notMade).toEqual([]);
  });

  test('is not made where no slot is harmless, and the plan says so', () => {
    const chunk = planChunk(points, { ...subject, memory, harmlessFetchSlot: () => -1 });
    expect(listed(chunk).slice(6)).toEqual([
      '0x2000 supervisor read',
      '0x2000 supervisor write',
      '0x2000 user read',
      '0x2000 user write',
    ]);
    expect(chunk.pointOf).toEqual(Uint32Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, 1));
    expect(chunk.notMade.map(({ address, access, privilege }) => [address, access, privilege])).toEqual([
      [0x2000n, Access.Execute, Privilege.Supervisor],
      [0x2000n, Access.Execute, Privilege.User],
    ]);
    expect(chunk.notMade[0]?.reason).toContain('harmless');
  });

  test('is judged by the content of the frame that it reaches', () => {
    const seen: number[] = [];
    memory.writeEntry(0x2008, 0x1234n);
    planChunk(points, {
      ...subject,
      memory,
      harmlessFetchSlot: (words) => {
        seen.push(words[2] as number);
        return 0;
      },
    });
    expect(seen).toEqual([0x1234]);
  });
});

import { describe, expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { MemoryAttributes } from '../src/memory-attributes.ts';
import { KNOWN_ALL, Known, x64Fault } from '../src/outcome-list.ts';
import { X64_REGISTERS } from '../test/support/registers.ts';
import { Declaration, NO_REGION, UNDECLARED } from './expectation-declaration.ts';
import { type PlanChunk, planChunk } from './plan.ts';
import { firstSlot, lastSlot } from './plan-points.ts';

const regions = [
  { name: 'a', firstPage: 16, pageCount: 2, firstFrame: 16, attributes: MemoryAttributes.ReadOnly },
  { name: 'b', firstPage: 18, pageCount: 1, firstFrame: 500, attributes: MemoryAttributes.None },
];
const declaration = new Declaration(regions, [{ firstPage: 100, pageCount: 10 }], X64_REGISTERS);

interface Answer {
  known?: number;
  fault?: number;
  physicalAddress?: number;
  memoryType?: number;
}

/** One supervisor access to a point with a prediction. */
function chunkOf(point: number, access: Access, answer: Answer): { chunk: PlanChunk; index: number } {
  const chunk = planChunk(Float64Array.of(point), {
    predictor: {
      predict(_, outcomes) {
        outcomes.known.fill(answer.known ?? KNOWN_ALL);
        outcomes.fault.fill(answer.fault ?? 0);
        outcomes.physicalAddress.fill(answer.physicalAddress ?? -1);
        outcomes.memoryType.fill(answer.memoryType ?? 6);
      },
    },
    memory: new PhysicalMemory(),
    privileges: [Privilege.Supervisor],
    harmlessFetchSlot: () => 0,
  });
  return { chunk, index: access };
}

function isFulfilled(point: number, access: Access, answer: Answer): boolean {
  const { chunk, index } = chunkOf(point, access, answer);
  const found = declaration.contradictions(chunk, declaration.regionsOf(chunk.points));
  return found[index] === 0;
}

describe('the regions of points', () => {
  test('are found by address; between them nothing is mapped, and upkeep is nobody’s', () => {
    const points = [15, 16, 17, 18, 19, 99, 100, 109, 110].map(firstSlot);
    expect([...declaration.regionsOf(Float64Array.from(points))]).toEqual([
      NO_REGION,
      0,
      0,
      1,
      NO_REGION,
      NO_REGION,
      UNDECLARED,
      UNDECLARED,
      NO_REGION,
    ]);
  });
});

describe('a declared read-only region', () => {
  test('is fulfilled by a read that lands where it is declared', () => {
    expect(isFulfilled(lastSlot(17), Access.Read, { physicalAddress: 0x11ff0 })).toBe(true);
    expect(isFulfilled(lastSlot(17), Access.Read, { physicalAddress: 0x11fe0 })).toBe(false);
    expect(isFulfilled(firstSlot(18), Access.Read, { physicalAddress: 500 * 4096 })).toBe(true);
    expect(isFulfilled(firstSlot(18), Access.Read, { physicalAddress: 18 * 4096 })).toBe(false);
  });

  test('is not fulfilled by a read of another memory type', () => {
    expect(isFulfilled(firstSlot(16), Access.Read, { physicalAddress: 0x10000, memoryType: 0 })).toBe(false);
  });

  test('is not fulfilled by a memory type that the architecture leaves open', () => {
    const known = KNOWN_ALL & ~Known.MemoryType;
    expect(isFulfilled(firstSlot(16), Access.Read, { physicalAddress: 0x10000, known })).toBe(false);
    const withoutShareability = KNOWN_ALL & ~Known.Shareability;
    expect(
      isFulfilled(firstSlot(16), Access.Read, { physicalAddress: 0x10000, known: withoutShareability }),
    ).toBe(true);
  });

  test('is fulfilled by a write that the tables forbid, and by no other fault', () => {
    expect(isFulfilled(firstSlot(16), Access.Write, { fault: x64Fault(14, 3) })).toBe(true);
    expect(isFulfilled(firstSlot(16), Access.Write, { fault: x64Fault(14, 2) })).toBe(false);
    expect(isFulfilled(firstSlot(16), Access.Write, { fault: x64Fault(14, 0xb) })).toBe(false);
    expect(isFulfilled(firstSlot(16), Access.Write, { physicalAddress: 0x10000 })).toBe(false);
  });
});

describe('what no region covers', () => {
  test('is fulfilled by a fault without a translation, and by no permission fault', () => {
    expect(isFulfilled(firstSlot(15), Access.Read, { fault: x64Fault(14, 0) })).toBe(true);
    expect(isFulfilled(firstSlot(15), Access.Read, { fault: x64Fault(14, 1) })).toBe(false);
    expect(isFulfilled(firstSlot(15), Access.Read, { physicalAddress: 0xf000 })).toBe(false);
  });
});

test('what the tables map for their own upkeep may be anything', () => {
  expect(isFulfilled(firstSlot(100), Access.Write, { physicalAddress: 0x1234_5000 })).toBe(true);
  expect(isFulfilled(firstSlot(100), Access.Write, { fault: x64Fault(14, 3) })).toBe(true);
});

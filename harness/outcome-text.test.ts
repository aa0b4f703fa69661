import { describe, expect, test } from 'vitest';
import { KNOWN_ALL, Known, StructuralFault, x64Fault } from '../src/outcome-list.ts';
import type { Architecture } from '../src/registers.ts';
import { reportOutcome } from './outcome-text.ts';

function textOf(architecture: Architecture, fault: number, known: number = KNOWN_ALL): string | undefined {
  const completed = { physicalAddress: 0x1000, memoryType: architecture === 'x64' ? 6 : 0x3ff };
  const outcome = { known, fault, faultAddress: 0x2000n, ...completed };
  return reportOutcome(outcome, architecture)?.text;
}

describe('an outcome in words', () => {
  test('names the address and the memory type of a completed access, as far as they are known', () => {
    expect(textOf('x64', 0)).toBe('completes at 0x1000, WB');
    expect(textOf('x64', 0, KNOWN_ALL & ~Known.MemoryType)).toBe('completes at 0x1000');
    expect(textOf('x64', 0, Known.Completion)).toBe('completes');
    expect(textOf('aarch64', 0)).toBe('completes at 0x1000, normal write-back, inner shareable');
  });

  test('decodes an x64 fault as far as it is known', () => {
    const fault = x64Fault(14, 3);
    expect(textOf('x64', fault)).toBe('faults: #PF error code 0x3 (P, W), CR2 0x2000');
    expect(textOf('x64', fault, Known.Completion | Known.FaultClass)).toBe('faults: #PF');
    expect(textOf('x64', fault, Known.Completion)).toBe('faults: some fault');
  });

  test('decodes an AArch64 fault, and claims no read or write that the machine does not know', () => {
    const fault = 0x9600_004f;
    const status = Known.Completion | Known.FaultClass | Known.FaultStatus;
    expect(textOf('aarch64', fault)).toBe(
      'faults: data abort, same EL, permission fault level 3, write, FAR 0x2000',
    );
    expect(textOf('aarch64', fault, status)).toBe('faults: data abort, permission fault level 3');
  });

  test('says where the walk left the memory', () => {
    expect(textOf('x64', StructuralFault.TableOutsideMemory)).toBe(
      'the walk needs a table entry at 0x1000, where no memory is',
    );
  });

  test('is nothing if completion is unknown', () => {
    expect(textOf('x64', 0, KNOWN_ALL & ~Known.Completion)).toBeUndefined();
  });
});

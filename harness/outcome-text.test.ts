import { describe, expect, test } from 'vitest';
import { HPFAR_NONE, HPFAR_OPEN, KNOWN_ALL, Known, StructuralFault, x64Fault } from '../src/outcome-list.ts';
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

  describe('where there are two stages', () => {
    const inStages = (fault: number, hpfar: bigint) =>
      reportOutcome(
        { known: KNOWN_ALL, fault, faultAddress: 0x5008n, physicalAddress: -1, memoryType: 0, hpfar },
        'aarch64',
      );

    test('a fault of stage 2 says its stage, level, and HPFAR_EL2 with the intermediate page', () => {
      expect(inStages(0x9200_0047, 0x10_0000_50n)).toEqual({
        completes: false,
        fault: '0x92000047',
        faultAddress: '0x5008',
        stage: 2,
        hpfar: '0x10000050',
        intermediatePage: '0x1000005000',
        text: 'faults: stage 2 data abort, lower EL, translation fault level 3, write, FAR 0x5008, IPA page 0x1000005000 (HPFAR_EL2 0x10000050)',
      });
    });

    test('bit 63 of HPFAR_EL2 is the security state, no part of the address', () => {
      expect(inStages(0x9200_0047, (1n << 63n) | 0x50n)).toMatchObject({ intermediatePage: '0x5000' });
    });

    test('S1PTW is a walk of stage 1, whose level is that of the descriptor of stage 2', () => {
      expect(inStages(0x8200_0085, 0x4000_10n)?.text).toBe(
        'faults: stage 2 instruction abort, lower EL, translation fault level 1, on a stage 1 walk, FAR 0x5008, IPA page 0x40001000 (HPFAR_EL2 0x400010)',
      );
    });

    test('where the architecture defines no HPFAR_EL2, none is claimed', () => {
      const outcome = inStages(0x9200_004f, HPFAR_OPEN);
      expect(outcome).not.toHaveProperty('hpfar');
      expect(outcome).toMatchObject({ stage: 2 });
      expect(outcome?.text).toMatch(/^faults: stage 2 .* permission fault level 3.*, HPFAR_EL2 not defined$/);
    });

    test('a fault of stage 1 is one of stage 1', () => {
      expect(inStages(0x9600_0007, HPFAR_NONE)).toMatchObject({
        stage: 1,
        text: 'faults: stage 1 data abort, same EL, translation fault level 3, read, FAR 0x5008',
      });
    });
  });

  test('says where the walk left the memory', () => {
    expect(textOf('x64', StructuralFault.TableOutsideMemory)).toBe(
      'the walk needs a table entry at 0x1000, where no memory is',
    );
  });

  test('names no address where a machine only says that the walk left the memory', () => {
    const outcome = { known: Known.Completion, faultAddress: 0n, physicalAddress: -1, memoryType: 0 };
    expect(reportOutcome({ ...outcome, fault: StructuralFault.TableOutsideMemory }, 'aarch64')?.text).toBe(
      'the walk needs a table entry where no memory is',
    );
  });

  test('is nothing if completion is unknown', () => {
    expect(textOf('x64', 0, KNOWN_ALL & ~Known.Completion)).toBeUndefined();
  });
});

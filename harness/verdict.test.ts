import { describe, expect, test } from 'vitest';
import {
  HPFAR_NONE,
  HPFAR_OPEN,
  KNOWN_ALL,
  Known,
  OutcomeList,
  StructuralFault,
  x64Fault,
} from '../src/outcome-list.ts';
import { FAULT_COLUMNS, Judgement, judge } from './verdict.ts';

interface OneOutcome {
  known?: number;
  fault?: number;
  faultAddress?: bigint;
  physicalAddress?: number;
  memoryType?: number;
  hpfar?: bigint;
}

function listOf(outcome: OneOutcome): OutcomeList {
  const list = new OutcomeList(1);
  list.known[0] = outcome.known ?? KNOWN_ALL;
  list.fault[0] = outcome.fault ?? 0;
  list.faultAddress[0] = outcome.faultAddress ?? 0n;
  list.physicalAddress[0] = outcome.physicalAddress ?? (outcome.fault === undefined ? 0x1000 : -1);
  list.memoryType[0] = outcome.memoryType ?? 6;
  if (outcome.hpfar !== undefined) list.ensureHpfar()[0] = outcome.hpfar;
  return list;
}

function judged(predicted: OneOutcome, observed: OneOutcome, architecture: 'x64' | 'aarch64' = 'x64') {
  return judge(listOf(predicted), listOf(observed), FAULT_COLUMNS[architecture])[0];
}

describe('a completed access', () => {
  test('agrees if all is as predicted', () => {
    expect(judged({}, {})).toBe(Judgement.Agreed);
  });

  test.each([
    ['the physical address', { physicalAddress: 0x2000 }, Known.PhysicalAddress],
    ['the memory type', { memoryType: 0 }, Known.MemoryType],
    ['the shareability', { memoryType: 0x306 }, Known.Shareability],
  ])('mismatches if %s differs, and agrees if the machine does not know it', (_, difference, column) => {
    expect(judged({}, difference)).toBe(Judgement.Mismatched);
    expect(judged({}, { ...difference, known: KNOWN_ALL & ~column })).toBe(Judgement.Agreed);
  });

  test('mismatches if it faults', () => {
    expect(judged({}, { fault: x64Fault(14, 0), known: Known.Completion })).toBe(Judgement.Mismatched);
  });
});

describe('a faulting access', () => {
  const fault = x64Fault(14, 5);

  test('agrees if all is as predicted', () => {
    expect(judged({ fault, faultAddress: 1n }, { fault, faultAddress: 1n })).toBe(Judgement.Agreed);
  });

  test('mismatches if it completes', () => {
    expect(judged({ fault }, { known: Known.Completion })).toBe(Judgement.Mismatched);
  });

  test('mismatches if HPFAR differs, or who takes the fault; where it is open or unseen it agrees', () => {
    const withHpfar = (predicted: bigint, observed?: bigint) =>
      judged(
        { fault, hpfar: predicted },
        { fault, ...(observed !== undefined && { hpfar: observed }) },
        'aarch64',
      );
    expect(withHpfar(0x10n, 0x10n)).toBe(Judgement.Agreed);
    expect(withHpfar(0x10n, 0x20n)).toBe(Judgement.Mismatched);
    expect(withHpfar(0x10n, HPFAR_NONE)).toBe(Judgement.Mismatched);
    expect(withHpfar(HPFAR_NONE, 0x10n)).toBe(Judgement.Mismatched);
    expect(withHpfar(HPFAR_OPEN, HPFAR_NONE)).toBe(Judgement.Mismatched);
    expect(withHpfar(HPFAR_OPEN, 0x10n)).toBe(Judgement.Agreed);
    expect(withHpfar(0x10n)).toBe(Judgement.Agreed);
  });

  test('mismatches if the vector differs and is known', () => {
    const vectorOnly = Known.Completion | Known.FaultClass;
    expect(judged({ fault }, { fault: x64Fault(13, 5), known: vectorOnly })).toBe(Judgement.Mismatched);
    expect(judged({ fault }, { fault: x64Fault(13, 5), known: Known.Completion })).toBe(Judgement.Agreed);
  });

  test('mismatches if one bit of the error code differs and the error code is known', () => {
    const known = Known.Completion | Known.FaultClass;
    expect(judged({ fault }, { fault: x64Fault(14, 4) })).toBe(Judgement.Mismatched);
    expect(judged({ fault }, { fault: x64Fault(14, 4), known })).toBe(Judgement.Agreed);
  });

  test('mismatches if CR2 differs in its upper half', () => {
    const observed = { fault, faultAddress: 1n << 63n };
    expect(judged({ fault }, observed)).toBe(Judgement.Mismatched);
    expect(judged({ fault }, { ...observed, known: KNOWN_ALL & ~Known.FaultAddress })).toBe(Judgement.Agreed);
  });
});

describe('an AArch64 fault', () => {
  const translationLevel3 = 0x9600_0007;

  test('mismatches in the fault status if the level differs', () => {
    const known = Known.Completion | Known.FaultStatus;
    expect(judged({ fault: translationLevel3 }, { fault: 0x6, known }, 'aarch64')).toBe(Judgement.Mismatched);
    expect(judged({ fault: translationLevel3 }, { fault: 0x7, known }, 'aarch64')).toBe(Judgement.Agreed);
  });

  test('mismatches in WnR only if the whole syndrome is known', () => {
    const write = translationLevel3 | 0x40;
    const known = Known.Completion | Known.FaultClass | Known.FaultStatus;
    expect(judged({ fault: translationLevel3 }, { fault: write }, 'aarch64')).toBe(Judgement.Mismatched);
    expect(judged({ fault: translationLevel3 }, { fault: write, known }, 'aarch64')).toBe(Judgement.Agreed);
  });
});

test('an access whose completion is unknown is not observable, whatever else is known', () => {
  expect(judged({}, { known: KNOWN_ALL & ~Known.Completion })).toBe(Judgement.NotObservable);
  expect(judged({}, { known: 0 })).toBe(Judgement.NotObservable);
});

test('a walk that leaves the memory never agrees, not even with a fault that looks alike or with silence', () => {
  const fault = StructuralFault.TableOutsideMemory;
  expect(judged({ fault }, { fault })).toBe(Judgement.Mismatched);
  expect(judged({ fault }, { fault: x64Fault(14, 0) })).toBe(Judgement.Mismatched);
  expect(judged({ fault }, { known: 0 })).toBe(Judgement.Mismatched);
});

test('a prediction that contradicts the declaration is a mismatch even if the machine confirms it or is silent', () => {
  const contradicted = Uint8Array.of(1);
  expect(judge(listOf({}), listOf({}), FAULT_COLUMNS.x64, contradicted)[0]).toBe(Judgement.Mismatched);
  expect(judge(listOf({}), listOf({ known: 0 }), FAULT_COLUMNS.x64, contradicted)[0]).toBe(
    Judgement.Mismatched,
  );
});

import { describe, expect, test } from 'vitest';
import { KNOWN_ALL, OutcomeList, x64Fault } from '../src/outcome-list.ts';
import { X64_REGISTERS } from '../test/support/registers.ts';
import type { Expectation } from './expectation.ts';
import { Expected } from './expectation.ts';
import { partyAlone, type Statement } from './verdict-parties.ts';

const access = { registers: X64_REGISTERS, index: 0, kind: 1, offset: 0 } as const;

function outcomes(fault: number): OutcomeList {
  const list = new OutcomeList(1);
  list.known[0] = KNOWN_ALL;
  list.fault[0] = fault;
  list.physicalAddress[0] = fault === 0 ? 0x1000 : -1;
  return list;
}

function expectation(expected: Expected): Expectation {
  return {
    byAccess: new Uint8Array(6).fill(expected),
    memoryTypes: new Uint8Array(256).fill(1),
    shareability: undefined,
  };
}

const COMPLETES = outcomes(0);
const FORBIDDEN = outcomes(x64Fault(14, 3));
const said = {
  declared: (expected: Expected): Statement => ({
    party: 'declared',
    expectation: expectation(expected),
    frame: 1,
  }),
  queried: (expected: Expected): Statement => ({
    party: 'queried',
    expectation: expectation(expected),
    frame: undefined,
  }),
  predicted: (list: OutcomeList): Statement => ({ party: 'predicted', outcomes: list }),
  observed: (list: OutcomeList): Statement => ({ party: 'observed', outcomes: list }),
};
const { Completes, Forbidden } = Expected;

describe('alone is', () => {
  test('the machine that lets a write through which all others forbid', () => {
    const { declared, queried, predicted, observed } = said;
    expect(
      partyAlone(
        [declared(Forbidden), queried(Forbidden), predicted(FORBIDDEN), observed(COMPLETES)],
        access,
      ),
    ).toBe('observed');
  });

  test('the walker, the query or the declaration, likewise', () => {
    const { declared, queried, predicted, observed } = said;
    expect(
      partyAlone(
        [declared(Forbidden), queried(Forbidden), predicted(COMPLETES), observed(FORBIDDEN)],
        access,
      ),
    ).toBe('predicted');
    expect(
      partyAlone(
        [declared(Forbidden), queried(Completes), predicted(FORBIDDEN), observed(FORBIDDEN)],
        access,
      ),
    ).toBe('queried');
    expect(
      partyAlone(
        [declared(Forbidden), queried(Completes), predicted(COMPLETES), observed(COMPLETES)],
        access,
      ),
    ).toBe('declared');
  });

  test('nobody where two stand against two', () => {
    const { declared, queried, predicted, observed } = said;
    expect(
      partyAlone(
        [declared(Forbidden), queried(Forbidden), predicted(COMPLETES), observed(COMPLETES)],
        access,
      ),
    ).toBeNull();
  });

  test('nobody of two', () => {
    expect(partyAlone([said.predicted(FORBIDDEN), said.observed(COMPLETES)], access)).toBeNull();
  });

  test('nobody where three disagree among themselves', () => {
    const elsewhere = outcomes(0);
    elsewhere.physicalAddress[0] = 0x2000;
    const { declared, predicted, observed } = said;
    expect(partyAlone([declared(Forbidden), predicted(COMPLETES), observed(elsewhere)], access)).toBeNull();
  });
});

import { describe, expect, test } from 'vitest';
import { EXAMPLE_AGREEMENT, EXAMPLE_MISMATCH, EXAMPLE_REPORT } from '../../test/support/example-report.ts';
import type { MachineReport } from '../report.ts';
import { reportText } from './text.ts';

const plain = { colours: false };

describe('the text report', () => {
  test('has a line for each machine: its counts, or why it is absent', () => {
    const lines = reportText(EXAMPLE_REPORT, plain).split('\n');
    expect(lines[2]).toMatch(
      /^ {2}qemu-x64 7\.2\.22 {2}1,234,567 probes {2}1,234,560 agreed {2}3 mismatched {2}2 not observable {2}2 errata {2}1\.23 s$/,
    );
    expect(lines[3]).toMatch(/^ {2}unicorn-x64 +absent: libunicorn 2\.0\.1 is too old$/);
  });

  test('groups mismatches into a range and puts the four parties side by side', () => {
    const text = reportText(EXAMPLE_REPORT, plain);
    expect(text).toContain('qemu-x64: 0x100000 – 0x102000, region code & "data" <1>, 3 addresses');
    expect(text).toMatch(/declared +queried +predicted +observed/);
    expect(text).toMatch(
      /supervisor write +read-only → .* faults: #PF error code 0x3 \(P, W\) +completes at 0x100000 {2}← alone/,
    );
    expect(text).toMatch(/\nmismatch: 3 differences\n$/);
  });

  test('puts accesses with the same range into one table', () => {
    const second = { ...EXAMPLE_MISMATCH, privilege: 'user' };
    const groups = [EXAMPLE_MISMATCH, second].map((example) => ({
      first: '0x100000',
      last: '0x102000',
      count: 3,
      example,
    }));
    const text = reportText({ ...EXAMPLE_REPORT, groups }, plain);
    expect(text.match(/0x100000 – 0x102000/g)).toHaveLength(1);
    expect(text).toMatch(/supervisor write.*\n {2}user write/);
  });

  test('says what was not observed and never hides an erratum', () => {
    const text = reportText(EXAMPLE_AGREEMENT, plain);
    expect(text).toContain('not observable: 2 × frame 0x2000 has no slot that is harmless');
    expect(text).toContain('erratum forgets-present: 2 × reports P=0');
    expect(text).toContain('observed the physical address of 990 of 1,000 completed accesses');
    expect(text).toContain('observed the memory type of none of the 1,000 completed accesses');
    expect(text).not.toContain('fault status');
    expect(text).toContain('set 12 accessed and 5 dirty flags');
    expect(text).toMatch(/\nagree: the machine confirms what is expected\n$/);
  });

  describe('what AT answered', () => {
    const withTranslations = (
      translatedOnly: number,
      byTranslation: MachineReport['columns']['byTranslation'],
    ) => {
      const machines = EXAMPLE_AGREEMENT.machines.map((machine) => ({
        ...machine,
        translatedOnly,
        columns: { ...machine.columns, byTranslation },
      }));
      return reportText({ ...EXAMPLE_AGREEMENT, machines }, plain);
    };

    test('without an access is counted apart from what agreed', () => {
      const text = withTranslations(1204, { physicalAddress: 0, memoryType: 0, faultStatus: 0 });
      expect(text).toMatch(/1,234,560 agreed {2}1,204 by AT alone {2}0 mismatched/);
      expect(text).not.toContain('AT alone said');
    });

    test('beside an access is said of each column', () => {
      const text = withTranslations(0, { physicalAddress: 25, memoryType: 1000, faultStatus: 7 });
      expect(text).toContain('AT alone said the physical address of 25 of 1,000 completed accesses');
      expect(text).toContain('AT alone said the memory type of all 1,000 completed accesses');
      expect(text).toContain('AT alone said the fault status of 7 of 200 faults');
      expect(text).not.toContain('by AT alone');
    });
  });

  test('sums up reasons that nobody would read', () => {
    const notObservableReasons = Array.from({ length: 9 }, (_, index) => ({
      what: `reason ${index}`,
      count: 2,
    }));
    const machines = EXAMPLE_AGREEMENT.machines.map((machine) => ({ ...machine, notObservableReasons }));
    const text = reportText({ ...EXAMPLE_AGREEMENT, machines }, plain);
    expect(text).toContain('not observable: 2 × reason 4');
    expect(text).not.toContain('reason 5');
    expect(text).toContain('not observable: 8 × for other reasons');
  });

  test('has colours only if asked to', () => {
    const controlSequence = '\u001b[';
    expect(reportText(EXAMPLE_REPORT, plain)).not.toContain(controlSequence);
    expect(reportText(EXAMPLE_REPORT, { colours: true })).toContain(controlSequence);
  });

  test('says that it proves nothing when no machine observed anything, and does not count such a machine', () => {
    const [machine] = EXAMPLE_AGREEMENT.machines.filter(({ status }) => status === 'ran');
    if (machine === undefined) throw new Error('the example has a machine that ran');
    const blind = { ...machine, agreed: 0, translatedOnly: 0, errata: 0, notObservable: machine.probes };
    const incomplete = { ...EXAMPLE_AGREEMENT, verdict: 'incomplete' as const, machines: [blind] };
    expect(reportText(incomplete, plain)).toMatch(
      /incomplete: nothing differs, but no machine observed anything\n$/,
    );
    const agreement = reportText({ ...EXAMPLE_AGREEMENT, machines: [machine, blind] }, plain);
    expect(agreement).toMatch(/agree: the machine confirms what is expected\n$/);
  });

  test('says that it proves nothing when no machine ran', () => {
    const { machines } = EXAMPLE_REPORT;
    const report = {
      ...EXAMPLE_AGREEMENT,
      verdict: 'incomplete' as const,
      machines: machines.filter(({ status }) => status === 'absent'),
    };
    expect(reportText(report, plain)).toMatch(/incomplete: nothing differs, but no machine ran\n$/);
  });
});

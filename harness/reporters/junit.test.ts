import { describe, expect, test } from 'vitest';
import { EXAMPLE_AGREEMENT, EXAMPLE_MACHINE, EXAMPLE_REPORT } from '../../test/support/example-report.ts';
import { escapeXml, reportJUnit } from './junit.ts';

/** Opening, closing and empty elements in order; throws where they do not nest. */
function elementsOf(xml: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  for (const [, slash, name, empty] of xml.matchAll(/<(\/?)([a-z-]+)(?:\s+[a-z]+="[^"<>]*")*\s*(\/?)>/g)) {
    if (slash === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      continue;
    }
    seen.push(name as string);
    if (empty !== '/') open.push(name as string);
  }
  if (open.length > 0) throw new Error(`${open} stay open`);
  return seen;
}

describe('the JUnit report', () => {
  test('nests its elements, a suite for each machine', () => {
    expect(elementsOf(reportJUnit(EXAMPLE_REPORT))).toEqual([
      'testsuites',
      'testsuite',
      'testcase',
      'failure',
      'testsuite',
      'testcase',
      'skipped',
    ]);
  });

  test('counts failures and skipped machines', () => {
    const xml = reportJUnit(EXAMPLE_REPORT);
    expect(xml).toContain(
      '<testsuites name="mmucheck layout.yaml" tests="2" failures="1" errors="0" skipped="1">',
    );
    expect(xml).toContain('<failure message="3 mismatching accesses" type="mismatch">');
    expect(xml).toContain('supervisor write at 0x100000 to 0x102000');
  });

  test('has one passing test where a machine agrees', () => {
    const xml = reportJUnit(EXAMPLE_AGREEMENT);
    expect(xml).toContain('tests="1" failures="0" errors="0" skipped="0"');
    expect(elementsOf(xml)).toEqual(['testsuites', 'testsuite', 'testcase', 'system-out']);
  });

  test('does not pass where a machine observed nothing', () => {
    const blind = { ...EXAMPLE_MACHINE, mismatched: 0, agreed: 0, errata: 0, translatedOnly: 0 };
    const machines = [{ ...blind, notObservable: blind.probes }];
    expect(reportJUnit({ ...EXAMPLE_AGREEMENT, verdict: 'incomplete', machines })).toContain(
      'tests="1" failures="0" errors="0" skipped="1"',
    );
  });

  test('counts apart what AT alone answered', () => {
    const agreement = { ...EXAMPLE_AGREEMENT.machines[0], ...EXAMPLE_MACHINE, mismatched: 0 };
    const xml = reportJUnit({ ...EXAMPLE_AGREEMENT, machines: [{ ...agreement, translatedOnly: 7 }] });
    expect(xml).toContain('1234560 agreed, 7 by AT alone, 2 not observable');
    expect(reportJUnit(EXAMPLE_AGREEMENT)).not.toContain('AT alone');
  });

  test('has an error where a machine broke off', () => {
    const failed = { ...EXAMPLE_MACHINE, status: 'failed' as const, reason: 'out of time' };
    const xml = reportJUnit({ ...EXAMPLE_AGREEMENT, machines: [failed] });
    expect(xml).toContain('errors="1"');
    expect(xml).toContain('<error message="out of time"/>');
  });

  test('fails for the engine’s own contradictions too', () => {
    const { groups } = EXAMPLE_REPORT;
    const engine = groups.map((group) => ({ ...group, example: { ...group.example, machine: 'engine' } }));
    expect(reportJUnit({ ...EXAMPLE_AGREEMENT, groups: engine })).toContain(
      '<testsuite name="engine" tests="1"',
    );
  });
});

describe('XML text', () => {
  test('escapes what has a meaning in XML', () => {
    expect(escapeXml(`a<b>&"c'\n\t\r`)).toBe('a&lt;b&gt;&amp;&quot;c&apos;&#10;&#9;&#13;');
  });

  test('replaces what XML cannot hold', () => {
    expect(escapeXml('\u0000\u001b\ud800\uffff')).toBe('\ufffd\ufffd\ufffd\ufffd');
  });

  test('leaves everything else alone', () => {
    expect(escapeXml('→ ä 😀')).toBe('→ ä 😀');
  });
});

import { expect, test } from 'vitest';
import { EXAMPLE_REPORT } from '../../test/support/example-report.ts';
import { reportJson } from './json.ts';

test('the JSON report has the fields that are promised, and ends its line', () => {
  const text = reportJson(EXAMPLE_REPORT);
  expect(text.endsWith('}\n')).toBe(true);
  const report = JSON.parse(text) as Record<string, unknown>;
  expect(report).toMatchObject({
    tool: 'mmucheck',
    version: '0.1.0',
    input: 'layout.yaml',
    architecture: 'x64',
    verdict: 'mismatch',
    mismatchesOmitted: 2,
  });
  expect(Object.keys((report.machines as object[])[0] ?? {})).toEqual(
    expect.arrayContaining([
      'name',
      'version',
      'status',
      'probes',
      'agreed',
      'translatedOnly',
      'mismatched',
      'notObservable',
      'errata',
      'seconds',
    ]),
  );
  expect(Object.keys((report.mismatches as object[])[0] ?? {})).toEqual(
    expect.arrayContaining([
      'machine',
      'address',
      'access',
      'privilege',
      'region',
      'declared',
      'queried',
      'predicted',
      'observed',
    ]),
  );
});

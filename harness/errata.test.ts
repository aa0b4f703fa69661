import { describe, expect, test } from 'vitest';
import { compareVersions, type Erratum, errataOf } from './errata.ts';

const erratum: Erratum = {
  rule: 'example',
  machine: 'qemu-x64',
  from: '7.2',
  before: '9.1',
  description: 'an example',
  test: 'harness/errata.test.ts',
  explains: () => true,
};

describe('errata', () => {
  test.each(['7.2', '7.2.22', '8.0', '9.0.4'])('apply to version %s inside their span', (version) => {
    expect(errataOf('qemu-x64', version, [erratum])).toEqual([erratum]);
  });

  test.each(['7.1.9', '9.1', '10.0.2'])('do not excuse version %s outside their span', (version) => {
    expect(errataOf('qemu-x64', version, [erratum])).toEqual([]);
  });

  test('do not excuse another machine', () => {
    expect(errataOf('unicorn-x64', '7.2.22', [erratum])).toEqual([]);
  });
});

test('versions compare by number, not by letter', () => {
  expect(compareVersions('10.0', '9.2.1')).toBeGreaterThan(0);
  expect(compareVersions('7.2', '7.2.0')).toBe(0);
  expect(compareVersions('2.1.1', '2.1.4')).toBeLessThan(0);
});

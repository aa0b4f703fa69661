import { expect, test } from 'vitest';
import { qemuVersion } from './qemu-version.ts';

test('an installed QEMU says its version', async () => {
  expect(await qemuVersion('qemu-system-x86_64', 'qemu-system-x86')).toEqual({
    found: true,
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
  });
});

test('a missing QEMU is named with the package that has it', async () => {
  expect(await qemuVersion('qemu-system-nothing', 'qemu-system-x86')).toEqual({
    found: false,
    reason: 'qemu-system-nothing is not installed (Debian package qemu-system-x86)',
  });
});

test('a program that is no QEMU is not taken for one', async () => {
  const answer = await qemuVersion('true', 'coreutils');
  expect(answer).toMatchObject({
    found: false,
    reason: expect.stringMatching(/^true --version gave no version/),
  });
});

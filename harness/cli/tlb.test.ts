import { expect, test, vi } from 'vitest';
import { runCommand as run } from '../../test/support/run-command.ts';

// Every case of a machine is run, some hundred guests.
vi.setConfig({ testTimeout: 120_000 });

test('tlb says of every change what its flush is worth on the machine', async () => {
  const { status, out } = await run('tlb', '--machine', 'unicorn');
  expect(status).toBe(0);
  expect(out).toMatch(/^unicorn-x64 2\.\d/);
  expect(out).not.toMatch(/qemu/);
  expect(out).toMatch(/unmap +proven +with the flush 6 of 6 current; without it 6 of 6 stale/);
  expect(out).toMatch(/map a page that was not mapped +not needed/);
  expect(out).toMatch(/CR4\.PCIDE = 1 +not run +the machine has no PCID/);
  expect(out).toMatch(/unicorn-aarch64 2\.\d/);
  expect(out).toMatch(/EL2: unmap +proven +with the flush 3 of 3 current; without it 3 of 3 stale/);
  expect(out).toMatch(/stage 2 alone: unmap +not run/);
});

test('tlb says of a machine that is known to deviate that it does, and is content', async () => {
  const { status, out } = await run('tlb', '--machine', 'qemu-aarch64');
  expect(status).toBe(0);
  expect(out).not.toMatch(/qemu-x64|unicorn|the machine has no/);
  expect(out).toMatch(/stage 2 below stage 1: unmap +proven/);
  const version = /^qemu-aarch64 (\d+)/.exec(out)?.[1];
  if (Number(version) < 8) expect(out).toMatch(/EL2&0, lower half: unmap +erratum +vae2-without-el2-and-0/);
});

test('tlb refuses a machine that it does not know', async () => {
  expect(await run('tlb', '--machine', 'qemux')).toMatchObject({ status: 2, out: '' });
  expect((await run('tlb', '--machine', 'qemux')).err).toMatch(/there are: qemu, qemu-x64, unicorn/);
});

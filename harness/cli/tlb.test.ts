import { expect, test } from 'vitest';
import { runCommandLine } from './command-line.ts';

async function run(...args: readonly string[]) {
  const text = { out: '', err: '' };
  const status = await runCommandLine(args, {
    out: (more) => {
      text.out += more;
    },
    err: (more) => {
      text.err += more;
    },
    colours: false,
    showsProgress: false,
    interrupted: new AbortController().signal,
  });
  return { status, ...text };
}

test('tlb says of every change what its flush is worth on the machine', async () => {
  const { status, out } = await run('tlb', '--machine', 'unicorn');
  expect(status).toBe(0);
  expect(out).toMatch(/^unicorn-x64 2\.\d/);
  expect(out).not.toMatch(/qemu/);
  expect(out).toMatch(/unmap +proven +with the flush 6 of 6 current; without it 6 of 6 stale/);
  expect(out).toMatch(/map a page that was not mapped +not needed/);
  expect(out).toMatch(/CR4\.PCIDE = 1 +not run +the machine has no PCID/);
});

test('tlb refuses a machine that it does not know, or of another architecture', async () => {
  expect(await run('tlb', '--machine', 'qemux')).toMatchObject({ status: 2, out: '' });
  expect(await run('tlb', '--machine', 'qemu-aarch64')).toMatchObject({ status: 2, out: '' });
});

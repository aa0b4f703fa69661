import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa, execaSync } from 'execa';
import tmp from 'tmp';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** A program of its own that runs QEMU, says so, and ends as it is told to, or waits for a signal. */
const PROGRAM = `
import { GuestRam, RAM_GRANULE } from './qemu/guest-ram.js';
import { QemuProcess } from './qemu/qemu-process.js';
const ram = new GuestRam('test', RAM_GRANULE, RAM_GRANULE);
ram.write(0, Uint8Array.of(0xeb, 0xfe));
const qemu = new QemuProcess({
  machine: 'test', executable: 'qemu-system-x86_64', cpu: 'max,apic-id=0', ram, start: 0x10000,
});
console.log(qemu.processId);
if (process.argv[2] === 'throw') setTimeout(() => { throw new Error('on purpose'); }, 100);
if (process.argv[2] === 'exit') setTimeout(() => process.exit(3), 100);
await qemu.waitUntil(() => false, 20_000, 'the end');
`;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = tmp.dirSync({ prefix: 'qemu-process-end', unsafeCleanup: true });

beforeAll(() => {
  symlinkSync(join(root, 'node_modules'), join(folder.name, 'node_modules'));
  const configuration = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: { rootDir: root, outDir: folder.name, incremental: false, tsBuildInfoFile: null },
    files: [join(root, 'qemu/qemu-process.ts')],
    include: [],
  };
  const project = join(folder.name, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(configuration));
  execaSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { cwd: root });
  writeFileSync(join(folder.name, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder.name, 'program.js'), PROGRAM);
});
afterAll(() => folder.removeCallback());

/** Whether the process ends within two seconds; one that waits to be collected has ended. */
async function ends(processId: number): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (!isRunning(processId)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

function isRunning(processId: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${processId}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function runAndEnd(how: NodeJS.Signals | 'throw' | 'exit') {
  const program = execa('node', [join(folder.name, 'program.js'), how], { reject: false });
  const processId = await new Promise<number>((resolve) => {
    program.stdout.once('data', (text) => resolve(Number(String(text))));
  });
  expect(processId).toBeGreaterThan(0);
  if (how.startsWith('SIG')) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    program.kill(how as NodeJS.Signals);
  }
  return { result: await program, processId };
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
  '%s of this process ends QEMU too',
  async (signal) => {
    const { result, processId } = await runAndEnd(signal);
    expect(result.signal).toBe(signal);
    expect(await ends(processId)).toBe(true);
  },
);

test('an exception that nobody catches ends QEMU too', async () => {
  const { result, processId } = await runAndEnd('throw');
  expect(result.stderr).toContain('on purpose');
  expect(await ends(processId)).toBe(true);
});

test('process.exit ends QEMU too', async () => {
  const { result, processId } = await runAndEnd('exit');
  expect(result.exitCode).toBe(3);
  expect(await ends(processId)).toBe(true);
});

import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { MachineError } from '../harness/machine.ts';
import { GuestRam, RAM_GRANULE } from './guest-ram.ts';
import { QemuProcess } from './qemu-process.ts';

/** Real-mode code at physical 0: counts the word at 0x1000 up to the word at 0x1004, for ever. */
const COUNTER = Uint8Array.from([
  ...[0x67, 0x66, 0xa1, 0x04, 0x10, 0x00, 0x00], // mov eax, [0x1004]
  ...[0x67, 0x66, 0xa3, 0x00, 0x10, 0x00, 0x00], // mov [0x1000], eax
  ...[0xeb, 0xf0], // jmp to the start
]);
const ECHO = 0x1000;
const INPUT = 0x1004;

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function start(
  overrides: {
    executable?: string;
    cpu?: string;
    extra?: string[];
    monitor?: boolean;
    givesWay?: boolean;
  } = {},
) {
  const ram = new GuestRam('test', RAM_GRANULE, RAM_GRANULE);
  closers.push(() => ram.close());
  ram.write(0, COUNTER);
  const qemu = new QemuProcess({
    machine: 'test',
    executable: 'qemu-system-x86_64',
    cpu: 'max,apic-id=0',
    ram,
    start: 0x1_0000,
    ...overrides,
  });
  closers.push(() => qemu.stop());
  return { ram, qemu };
}

/** The process's state letter on Linux: T when stopped. */
function stateOf(processId: number | undefined): string | undefined {
  return / \(.*\) (\w) /.exec(readFileSync(`/proc/${processId}/stat`, 'utf8'))?.[1];
}

function exists(processId: number | undefined): boolean {
  if (processId === undefined) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

test('a guest sees what the host writes while it runs, and the host what the guest writes', async () => {
  const { ram, qemu } = start();
  for (const value of [7, 0xffff_fffe]) {
    ram.writeU32(INPUT, value);
    await qemu.waitUntil(() => ram.readU32(ECHO) === value, 10_000, 'the echo');
  }
  expect(ram.readU32(ECHO)).toBe(0xffff_fffe);
});

test('a guest that nobody waits for takes no processor time, and goes on when asked', async () => {
  const { ram, qemu } = start();
  await qemu.waitUntil(() => ram.readU32(ECHO) === 0, 10_000, 'the start');
  await expect.poll(() => stateOf(qemu.processId), { interval: 10 }).toBe('T');
  ram.writeU32(INPUT, 5);
  await qemu.waitUntil(() => ram.readU32(ECHO) === 5, 10_000, 'the echo');
  expect(stateOf(qemu.processId)).not.toBe('T');
});

test('pause stops a guest that would not be stopped yet, and it goes on when asked', async () => {
  const { ram, qemu } = start();
  qemu.pause();
  await expect.poll(() => stateOf(qemu.processId), { interval: 10 }).toBe('T');
  ram.writeU32(INPUT, 5);
  await qemu.waitUntil(() => ram.readU32(ECHO) === 5, 10_000, 'the echo');
});

test('every thread of a guest that is to give way to its host is nicer', async () => {
  const { ram, qemu } = start({ givesWay: true });
  ram.writeU32(INPUT, 5);
  await qemu.waitUntil(() => ram.readU32(ECHO) === 5, 10_000, 'the echo');
  const threads = readdirSync(`/proc/${qemu.processId}/task`).map(Number);
  expect(threads.length).toBeGreaterThan(1);
  for (const thread of threads) expect(getPriority(thread)).toBeGreaterThan(getPriority());
});

test('stop leaves no process and may be called again', async () => {
  const { ram, qemu } = start();
  ram.writeU32(INPUT, 1);
  await qemu.waitUntil(() => ram.readU32(ECHO) === 1, 10_000, 'the echo');
  expect(exists(qemu.processId)).toBe(true);
  await qemu.stop();
  await qemu.stop();
  expect(exists(qemu.processId)).toBe(false);
});

test('a guest that never answers is killed when the time limit has passed', async () => {
  const { qemu } = start();
  const wait = qemu.waitUntil(() => false, 300, 'the end of time');
  await expect(wait).rejects.toThrow('test: QEMU took more than 0.3 s before the end of time and was killed');
  expect(exists(qemu.processId)).toBe(false);
});

test.each([
  ['near', true],
  ['not near', false],
])('and also while the end of its work is %s', async (_, near) => {
  const { qemu } = start();
  const wait = qemu.waitUntil(
    () => false,
    300,
    'the end of time',
    () => near,
  );
  await expect(wait).rejects.toThrow('took more than 0.3 s before the end of time and was killed');
});

test('a QEMU that refuses its arguments is reported with its status and what it said', async () => {
  const { qemu } = start({ cpu: 'no-such-model' });
  const wait = qemu.waitUntil(() => false, 10_000, 'the guest was up');
  await expect(wait).rejects.toThrow(
    /QEMU exited with status 1 before the guest was up; it said: .*no-such-model/,
  );
});

test('a QEMU that is not installed is reported, not waited for', async () => {
  const { qemu } = start({ executable: 'no-such-qemu' });
  const wait = qemu.waitUntil(() => false, 10_000, 'the guest was up');
  await expect(wait).rejects.toThrow(MachineError);
});

test('the monitor answers commands while the guest rests, one after the other', async () => {
  const { ram, qemu } = start({ monitor: true });
  await qemu.waitUntil(() => ram.readU32(ECHO) === 0, 10_000, 'the start');
  expect(await qemu.humanCommand('info tlb', 10_000)).toBe('PG disabled\r\n');
  expect(await qemu.humanCommand('info status', 10_000)).toMatch(/^VM status: running/);
});

test('a monitor that does not answer is an error after the time limit, and QEMU is killed', async () => {
  const { ram, qemu } = start({ monitor: true });
  await qemu.waitUntil(() => ram.readU32(ECHO) === 0, 10_000, 'the start');
  process.kill(qemu.processId as number, 'SIGSTOP');
  const waiting = qemu.humanCommand('info tlb', 200);
  process.kill(qemu.processId as number, 'SIGSTOP');
  await expect(waiting).rejects.toThrow(
    /test: QEMU's monitor took more than 0\.2 s for "info tlb" and was killed/,
  );
  expect(exists(qemu.processId)).toBe(false);
});

test('without a monitor a command is refused', async () => {
  const { qemu } = start();
  await expect(qemu.humanCommand('info tlb', 1000)).rejects.toThrow(/started without a monitor/);
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from '../../scripts/bootstrap/lock.mjs';

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmucheck-lock-'));
  lock = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('two works under one lock never overlap, and the second one says that it waits', async () => {
  const events: string[] = [];
  const log: string[] = [];
  const work = (name: string) => async () => {
    events.push(`${name} begins`);
    await sleep(50);
    events.push(`${name} ends`);
  };
  await Promise.all([
    withLock(lock, (line) => log.push(line), work('first')),
    withLock(lock, (line) => log.push(line), work('second')),
  ]);
  expect(events).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  expect(log).toEqual([`process ${process.pid} is preparing this folder; waiting for it`]);
});

test('the lock is given back when the work fails, with nothing left in the folder', async () => {
  await expect(
    withLock(
      lock,
      () => {},
      () => Promise.reject(new Error('npm ci failed')),
    ),
  ).rejects.toThrow('npm ci failed');
  expect(readdirSync(folder)).toEqual([]);
});

test('the lock of a process that died is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(lock, String(pid));
  expect(
    await withLock(
      lock,
      () => {},
      async () => 'done',
    ),
  ).toBe('done');
  expect(existsSync(lock)).toBe(false);
});

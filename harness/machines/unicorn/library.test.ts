import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { findLibunicorn } from './library.ts';
import { unicornAArch64 } from './unicorn-aarch64.ts';
import { unicornX64 } from './unicorn-x64.ts';

const VERSION_2_0_1 = 0x0200_0100;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unicorn-library-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

/** A shared library with one function, which returns a constant. */
function sharedLibrary(name: string, symbol: string, value: number): string {
  const path = join(folder, name);
  const source = `.globl ${symbol}\n.type ${symbol}, @function\n${symbol}: mov $${value}, %eax\nret\n`;
  writeFileSync(`${path}.s`, source);
  execFileSync('as', ['-o', `${path}.o`, `${path}.s`]);
  execFileSync('ld', ['-shared', '-o', path, `${path}.o`]);
  return path;
}

describe('finding libunicorn', () => {
  test('the one that setup fetched or the system has is found, with its version', async () => {
    expect((await findLibunicorn({})).version).toMatch(/^[2-9]\.\d+\.\d+$/);
  });

  test('a file that is not there is absent, by its name', async () => {
    await expect(findLibunicorn({ MMUCHECK_LIBUNICORN: '/no/such/libunicorn.so' })).rejects.toThrow(
      /^\/no\/such\/libunicorn\.so cannot be loaded: .*MMUCHECK_LIBUNICORN/,
    );
  });

  test.runIf(process.arch === 'x64')(
    'one before 2.1 is refused, with its version and the reason',
    async () => {
      const path = sharedLibrary('old.so', 'uc_version', VERSION_2_0_1);
      await expect(findLibunicorn({ MMUCHECK_LIBUNICORN: path })).rejects.toThrow(
        `${path} is version 2.0.1, and mmucheck needs 2.1 or later (earlier ones drop the physical address`,
      );
    },
  );

  test.runIf(process.arch === 'x64')('another library is refused', async () => {
    const path = sharedLibrary('other.so', 'other', 0);
    await expect(findLibunicorn({ MMUCHECK_LIBUNICORN: path })).rejects.toThrow(
      `${path} is not libunicorn: it has no uc_version`,
    );
  });
});

describe.each([unicornX64, unicornAArch64])('$name without a library', (provider) => {
  test('is detected as absent with the reason, and cannot be opened', async () => {
    vi.stubEnv('MMUCHECK_LIBUNICORN', '/no/such/libunicorn.so');
    expect(await provider.detect()).toEqual({
      available: false,
      reason: expect.stringContaining('/no/such/libunicorn.so'),
    });
    await expect(provider.open()).rejects.toMatchObject({ name: 'MachineError', code: 'absent' });
  });
});

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PACKAGE_FOLDER } from '../../harness/package.ts';
import type { Report } from '../../harness/report.ts';

const PROGRAM = join(PACKAGE_FOLDER, 'bin', 'mmucheck.js');
const LARGE_CAPTURE = join(PACKAGE_FOLDER, 'examples', 'captures', 'ovmf-x64.core.gz');
const BUNDLE = join(PACKAGE_FOLDER, 'dist', 'bundle', 'mmucheck.cjs');
const isBuilt = existsSync(BUNDLE);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mmucheck-process-'));
  const regions = '  - { name: code, base: 1M, size: 4K, attributes: [read-only] }\n';
  await writeFile(join(folder, 'layout.yaml'), `architecture: x64\npaging: 4-level\nregions:\n${regions}`);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; out: string; err: string }>;
}

function start(...args: readonly string[]): Started {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, TMPDIR: folder } });
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data;
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data;
  });
  const ended = once(child, 'close').then(([status]: (number | null)[]) => ({
    status: status ?? null,
    out,
    err,
  }));
  return { child, ended };
}

/** Processes whose parent is `pid`. */
async function childrenOf(pid: number | undefined): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

describe.runIf(isBuilt)('the command as a process', () => {
  test('is loaded with what V8 has compiled while it was built', async () => {
    const loader = pathToFileURL(join(PACKAGE_FOLDER, 'bin', 'program.js')).href;
    const code = `import { compileProgram } from '${loader}';
      console.log(compileProgram(${JSON.stringify(BUNDLE)}).script.cachedDataRejected);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
    expect(stdout).toBe('false\n');
  });

  test('prints a report without colours or progress into a pipe, and ends with the verdict', async () => {
    const { status, out, err } = await start('verify', join(folder, 'layout.yaml')).ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/\nagree: .*\n$/);
    expect(out).not.toContain('\u001b');
  });

  test('half a million probes agree on Unicorn, which makes them in threads', async () => {
    const region = '  - { name: all, base: 0, size: 384M, attributes: [] }\n';
    const layout = join(folder, 'many.yaml');
    await writeFile(layout, `architecture: x64\npaging: 4-level\nregions:\n${region}`);
    const { status, out, err } = await start(
      ...['verify', layout, '--machine', 'unicorn', '--coverage', 'pages', '--reporter', 'json'],
    ).ended;
    await rm(layout);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const [machine] = (JSON.parse(out) as Report).machines;
    expect(machine?.probes).toBeGreaterThan(6 * 98_304);
    expect(machine?.agreed).toBe(machine?.probes);
    expect(machine?.tables).toMatchObject({ findings: 0 });
    expect(machine?.tables?.dirty).toBeGreaterThanOrEqual(384 / 2);
  });

  test('ends with 2 and one line for a file that is not there', async () => {
    const { status, out, err } = await start('verify', join(folder, 'none.yaml')).ended;
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  // A shell's `> report.txt` on a full disk.
  test.runIf(existsSync('/dev/full'))('ends with 2 and one line if its output has no room', async () => {
    const full = await open('/dev/full', 'w');
    const child = spawn(process.execPath, [PROGRAM, 'query', join(folder, 'layout.yaml'), '1M'], {
      stdio: ['ignore', full.fd, 'pipe'],
    });
    let err = '';
    child.stderr?.on('data', (data: Buffer) => {
      err += data;
    });
    const [status] = await once(child, 'close');
    await full.close();
    expect(status).toBe(2);
    expect(err).toMatch(/^mmucheck: the output cannot be written: ENOSPC.*\n$/);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends it with 130, and neither QEMU nor a file is left',
    async (signal) => {
      const { child, ended } = start('verify', LARGE_CAPTURE, '--machine', 'qemu');
      const emulators = await waitForChildren(child);
      child.kill(signal);
      const { status, err } = await ended;
      expect({ status, err }).toEqual({ status: 130, err: 'mmucheck: interrupted\n' });
      for (const pid of emulators) expect(existsSync(`/proc/${pid}`), `process ${pid} is gone`).toBe(false);
      expect(await readdir(folder)).toEqual(['layout.yaml']);
    },
  );
});

async function waitForChildren(child: ChildProcess): Promise<number[]> {
  for (let tries = 0; tries < 200; tries++) {
    const children = await childrenOf(child.pid);
    if (children.length > 0) return children;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('QEMU did not start');
}

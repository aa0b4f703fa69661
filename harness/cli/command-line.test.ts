import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand as run, runInterruptible as runWith } from '../../test/support/run-command.ts';
import type { Report } from '../report.ts';
import { Interrupted } from './io.ts';

const LAYOUT = `architecture: x64
paging: 4-level
regions:
  - { name: code, base: 1M, size: 8K, attributes: [read-only] }
  - { name: data, base: 2M, size: 2M, attributes: [execute-protect] }
`;
const OTHER_LAYOUT = LAYOUT.replace('[read-only]', '[]');
const LAYOUT_AARCH64 = `architecture: aarch64
regime: el2
regions:
  - { name: code, base: 1M, size: 8K, attributes: [read-only] }
`;
const GUEST_LAYOUT = `architecture: aarch64
regime: stage2
vaBits: 39
regions:
  - { name: code, base: 1G, size: 8K, physical: 0x50000000, share: inner, attributes: [read-only] }
`;

let folder: string;
let layout: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mmucheck-cli-'));
  layout = join(folder, 'layout.yaml');
  await writeFile(layout, LAYOUT);
  await writeFile(join(folder, 'other.yaml'), OTHER_LAYOUT);
  await writeFile(join(folder, 'aarch64.yaml'), LAYOUT_AARCH64);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('usage', () => {
  test('help and version end with 0', async () => {
    expect(await run('--help')).toMatchObject({ status: 0, err: '' });
    const version = await run('--version');
    expect(version.status).toBe(0);
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    [[], 'Usage: mmucheck'],
    [['verfiy', 'x'], "unknown command 'verfiy'\n(Did you mean verify?)"],
    [['verify'], "missing required argument 'input'"],
    [['verify', 'x', '--frobnicate'], "unknown option '--frobnicate'"],
    [['verify', 'x', '--coverage', 'some'], 'edges, leaves, pages'],
    [['verify', 'x', '--reporter', 'html'], 'text, json, junit'],
    [['verify', 'x', '--max-mismatches', '-1'], 'whole number'],
    [['verify', 'x', '--machine', 'qemu,'], 'name is empty'],
    [['build', 'x'], '--output'],
    [['query', 'x'], "missing required argument 'address'"],
  ])('%j ends with 2 and says what is wrong', async (args, message) => {
    const { status, err, out } = await run(...args);
    expect(status).toBe(2);
    expect(err).toContain(message);
    expect(out).toBe('');
  });
});

describe('bad input ends with 2:', () => {
  test('a file that is not there', async () => {
    const { status, err } = await run('verify', join(folder, 'none.yaml'));
    expect(status).toBe(2);
    expect(err).toContain('none.yaml: cannot be read: no such file');
  });

  test('a machine that nobody knows, or one of another architecture', async () => {
    expect(await run('verify', layout, '--machine', 'bochs')).toMatchObject({
      status: 2,
      err: expect.stringContaining("no machine is called 'bochs'"),
    });
    expect(await run('verify', layout, '--machine', 'qemu-aarch64')).toMatchObject({
      status: 2,
      err: expect.stringContaining('runs aarch64 tables'),
    });
  });

  test('an output file in a folder that is not there, before any machine is asked', async () => {
    const target = join(folder, 'missing', 'report.json');
    const { status, err } = await run('verify', join(folder, 'none.yaml'), '--output-file', target);
    expect(status).toBe(2);
    expect(err).toContain('report.json: cannot be written');
    expect(err).toContain('no such file or folder');
  });

  test('an output file that is a folder', async () => {
    const { status, err } = await run('verify', layout, '--output-file', folder);
    expect(status).toBe(2);
    expect(err).toContain('it is a folder');
  });

  test.each(['0x', 'ten', '0x10000000000000000', '-1'])('the address %s', async (address) => {
    const { status, err } = await run('query', layout, '--', address);
    expect(status).toBe(2);
    expect(err).toContain('is no address');
  });

  test('an output in the place of an input, which stays as it is', async () => {
    const core = join(folder, 'own.core');
    const registers = join(folder, 'own.regs.json');
    await run('build', layout, '--output', core);
    const before = await Promise.all([layout, core, registers].map((file) => readFile(file)));
    const sameThroughFolder = `${folder}/../${basename(folder)}/layout.yaml`;
    for (const [output, ...args] of [
      [sameThroughFolder, 'build', layout, '--output'],
      [layout, 'verify', layout, '--output-file'],
      [core, 'verify', layout, '--tables', core, '--output-file'],
      [registers, 'verify', core, '--output-file'],
    ] as const) {
      expect(await run(...args, output)).toMatchObject({
        status: 2,
        err: expect.stringContaining(`${output}: is not written: it is the input '`),
      });
    }
    expect(await Promise.all([layout, core, registers].map((file) => readFile(file)))).toEqual(before);
    // An output of before is no input.
    expect(await run('build', layout, '--output', core)).toMatchObject({ status: 0 });
  });

  test('a capture where build needs a layout', async () => {
    const core = join(folder, 'for-build.core');
    await run('build', layout, '--output', core);
    expect(await run('build', core, '--output', join(folder, 'x.core'))).toMatchObject({
      status: 2,
      err: expect.stringContaining('a layout (YAML or JSON) is expected'),
    });
  });
});

describe('verify', () => {
  test('a layout that its tables implement ends with 0', async () => {
    const { status, out, err } = await run('verify', layout, '--machine', 'unicorn');
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(out).toMatch(/unicorn-x64 2\.\d+\.\d+ .* 0 mismatched/);
    expect(out).toMatch(/\nagree: /);
  });

  test('writes JSON to a file, whole and nothing else', async () => {
    const file = join(folder, 'report.json');
    const args = ['--machine', 'unicorn', '--reporter', 'json', '--output-file', file];
    expect(await run('verify', layout, ...args)).toEqual({ status: 0, out: '', err: '' });
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(report).toMatchObject({ tool: 'mmucheck', input: layout, verdict: 'agree', mismatches: [] });
    expect(report.machines.map(({ name, status }) => [name, status])).toEqual([['unicorn-x64', 'ran']]);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  test('tables that do not implement the layout end with 1, with region, address and who is alone', async () => {
    const core = join(folder, 'other.core.gz');
    expect((await run('build', join(folder, 'other.yaml'), '--output', core)).status).toBe(0);
    const args = ['--tables', core, '--machine', 'unicorn', '--reporter', 'json'];
    const { status, out } = await run('verify', layout, ...args);
    expect(status).toBe(1);
    const { verdict, mismatches } = JSON.parse(out) as Report;
    expect(verdict).toBe('mismatch');
    const fromMachine = mismatches.filter(({ machine }) => machine === 'unicorn-x64');
    expect(new Set(fromMachine.map(({ region, access }) => `${region} ${access}`))).toEqual(
      new Set(['code write']),
    );
    expect(fromMachine[0]).toMatchObject({
      address: '0x100000',
      privilege: 'supervisor',
      declared: { attributes: ['read-only'] },
      queried: { attributes: [] },
      predicted: { completes: true, physicalAddress: '0x100000' },
      observed: { completes: true, physicalAddress: '0x100000' },
      alone: 'declared',
    });
    expect(mismatches.some(({ machine }) => machine === 'engine')).toBe(true);
  });

  test('keeps as many mismatches as asked for and counts the others', async () => {
    const core = join(folder, 'other.core');
    await run('build', join(folder, 'other.yaml'), '--output', core);
    const args = ['--tables', core, '--machine', 'unicorn', '--reporter', 'json', '--max-mismatches', '2'];
    const report = JSON.parse((await run('verify', layout, ...args)).out) as Report;
    expect(report.mismatches).toHaveLength(2);
    expect(report.mismatchesOmitted).toBeGreaterThan(0);
  });

  test('a capture that build has written agrees', async () => {
    const core = join(folder, 'tables.core');
    const built = await run('build', layout, '--output', core);
    expect(built).toEqual({ status: 0, out: `${core}\n${join(folder, 'tables.regs.json')}\n`, err: '' });
    expect((await run('verify', core, '--machine', 'unicorn', '--coverage', 'pages')).status).toBe(0);
  });

  test('an interrupt ends with 130', async () => {
    const signal = AbortSignal.abort(new Interrupted());
    expect(await runWith(signal, ['verify', layout, '--machine', 'unicorn'])).toEqual({
      status: 130,
      out: '',
      err: 'mmucheck: interrupted\n',
    });
  });

  test('a machine that was asked for and is absent ends with 3; one that was not is listed', async () => {
    const { PATH } = process.env;
    process.env.PATH = folder;
    try {
      const asked = await run('verify', layout, '--machine', 'qemu');
      expect(asked).toMatchObject({ status: 3, out: '' });
      expect(asked.err).toMatch(/^qemu-x64: .*qemu-system-x86/);
      const listed = await run('verify', layout);
      expect(listed.status).toBe(0);
      expect(listed.out).toMatch(/qemu-x64 +absent: /);
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('query, dump and explain', () => {
  test('query says what the engine says', async () => {
    expect(await run('query', layout, '1M', '0x200000', '0')).toEqual({
      status: 0,
      out: '0x100000: read-only\n0x200000: execute-protect\n0x0: not mapped\n',
      err: '',
    });
  });

  test('dump shows the runs of leaves, or only those that hold an address', async () => {
    const all = await run('dump', layout);
    expect(all.out).toMatch(
      /^0x100000 – 0x101fff +→ 0x100000 +supervisor r-x, user r-x +WB +\(2 × 4 KiB\)$/m,
    );
    expect(all.out).toMatch(
      /^0x200000 – 0x3fffff +→ 0x200000 +supervisor rw-, user rw- +WB +\(1 × 2 MiB\)$/m,
    );
    const one = await run('dump', layout, '0x2abcde');
    expect(one.out.trim().split('\n')).toHaveLength(1);
    expect((await run('dump', layout, '16M')).out).toBe('nothing is mapped there\n');
  });

  test('dump --entries shows the bits of the entries', async () => {
    const { out } = await run('dump', layout, '0x100000', '--entries');
    expect(out).toMatch(/R\/W/);
    expect(out.match(/^(PML4|PDPT|PD|PT) /gm)).toEqual(['PML4 ', 'PDPT ', 'PD ', 'PT ']);
  });

  test('query, dump and explain speak of a guest as of a host', async () => {
    const guest = join(folder, 'guest.yaml');
    await writeFile(guest, GUEST_LAYOUT);
    const said = await run('query', guest, '0x40000008', '0x1000');
    expect(said.out).toBe(
      '0x40000008: writeback, read-only, guest rx, normal-write-back, share inner\n0x1000: not mapped\n',
    );
    expect((await run('dump', guest)).out).toBe(
      '0x40000000 – 0x40001fff  → 0x50000000  supervisor r-x, user r-x  normal write-back, inner shareable  (2 × 4 KiB)\n',
    );
    const lines = (await run('dump', guest, '--entries')).out.trim().split('\n');
    expect(lines.map((line) => /^ *stage 2 level \d/.exec(line)?.[0])).toEqual([
      'stage 2 level 1',
      '  stage 2 level 2',
      '    stage 2 level 3',
      '    stage 2 level 3',
    ]);
    expect(lines[3]).toMatch(/ index 1: 0x000000005000177f → 0x50001000 {2}MemAttr 15, S2AP\[0\], SH 3, AF$/);
    const { status, out } = await run('explain', guest, '0x40000000', '--machine', 'qemu');
    expect(status).toBe(0);
    expect(out).toContain('all levels together allow: supervisor read, execute; user read, execute');
  });

  test('explain walks level by level, decodes each fault, and says what the machine answered', async () => {
    const { status, out } = await run('explain', layout, '0x100008', '--machine', 'unicorn');
    expect(status).toBe(0);
    expect(out).toContain('0x100008 in');
    expect(out).toContain('region code');
    expect(out).toMatch(/PT: table 0x\w+, index 256, entry 0x0000000000100005/);
    expect(out).toContain('forbids: write');
    expect(out).toMatch(
      /supervisor write +0x100000 +faults: #PF error code 0x3 \(P, W\), CR2 0x100000 +faults: #PF/,
    );
    expect(out).toMatch(/user read +0x100000 +completes at 0x100000, WB +completes at 0x100000/);
  });

  test('explain says that a non-canonical address is refused before the walk', async () => {
    const { out } = await run('explain', layout, '0x800000000000', '--machine', 'unicorn');
    expect(out).toContain('refused before any table is read');
    expect(out).toContain('#GP');
  });

  test('they read AArch64 as well, where EL2 has no user', async () => {
    const aarch64 = join(folder, 'aarch64.yaml');
    expect((await run('query', aarch64, '1M')).out).toBe('0x100000: writeback, read-only\n');
    const { out } = await run('explain', aarch64, '1M');
    expect(out).toMatch(/supervisor write .*permission fault level 3/);
    expect(out).not.toMatch(/^ +user (read|write|execute)/m);
  });
});

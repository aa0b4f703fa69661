import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runGolden } from './cli.ts';
import { DEVIATIONS } from './deviations.ts';
import { patinaDriver } from './patina.ts';
import { replayFile } from './replay.ts';
import { type Result, readVectorFile, type Script, type VectorFile } from './script.ts';

const VECTORS = join(import.meta.dirname, 'vectors');

function vectors(config: string): VectorFile {
  return readVectorFile(join(VECTORS, `${config}.json.gz`));
}

/** Exit status and lines of `npm run golden`. */
function golden(...args: string[]): { status: number; log: string[]; error: string[] } {
  const log: string[] = [];
  const error: string[] = [];
  const output = {
    log: (line: string) => void log.push(line),
    error: (line: string) => void error.push(line),
  };
  return { status: runGolden(args, output), log, error };
}

/** A folder with files, removed when the test ends. */
function folderWith(files: Record<string, string | Uint8Array>): string {
  const folder = mkdtempSync(join(tmpdir(), 'golden-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

describe('patina-paging vectors', () => {
  test.each([
    ['patina-x64-4', 176, 0],
    ['patina-x64-4-supervisor', 176, 0],
    ['patina-x64-5', 177, 0],
    ['patina-x64-5-supervisor', 177, 0],
    ['patina-aarch64-4', 182, 5],
  ])('%s: the engine answers as the original', (config, passed, deviations) => {
    const report = replayFile(vectors(config), patinaDriver);
    expect(report.failures).toEqual([]);
    expect(report).toMatchObject({ passed, failed: 0, deviations });
  });

  test('every rule by which the engine deviates is used by some vector', () => {
    const { rules } = replayFile(vectors('patina-aarch64-4'), patinaDriver);
    const listed = DEVIATIONS.filter(({ crate }) => crate === 'patina-paging').map(({ rule }) => rule);
    expect([...rules.keys()].sort()).toEqual(listed.sort());
  });
});

describe('the replay notices', () => {
  const file = vectors('patina-x64-4');
  /** A script with everything to spoil: an error, an attribute word, regions, and tables. */
  const at = file.scripts.findIndex(
    ({ expect: results, ops }) =>
      results.some((result) => 'err' in result) &&
      ops.some(([name], index) => name === 'query' && 'ok' in (results[index] as Result)) &&
      ops.some(([name], index) => name === 'regions' && (results[index] as { ok: unknown[] }).ok.length > 0),
  );
  const script = file.scripts[at] as Script;

  function reportWith(change: Partial<Script>) {
    const scripts = file.scripts.map((each, index) => (index === at ? { ...each, ...change } : each));
    return replayFile({ ...file, scripts }, patinaDriver);
  }
  const failsWith = (change: Partial<Script>, message: RegExp) => {
    const report = reportWith(change);
    expect(report).toMatchObject({ passed: file.scripts.length - 1, failed: 1, deviations: 0 });
    expect(report.failures[0]).toMatch(message);
  };
  const withResult = (which: (result: Result, index: number) => boolean, result: Result) => {
    const index = script.expect.findIndex(which);
    return { expect: script.expect.with(index, result) };
  };

  test('nothing in an unchanged file', () => {
    expect(reportWith({})).toMatchObject({ passed: file.scripts.length, failed: 0 });
  });

  test('a flipped table bit', () => {
    const tables = script.tables ?? [];
    const [address, rows] = tables[0] as (typeof tables)[number];
    const [index, entry] = rows.find((row) => row.length === 2) as readonly [number, string];
    const flipped = `0x${(BigInt(entry) ^ 2n).toString(16)}`;
    const changed = rows.map((row) => (row[0] === index ? ([index, flipped] as const) : row));
    failsWith(
      { tables: tables.with(0, [address, changed]) },
      new RegExp(`table ${address} entry ${index}: expected ${flipped}, got ${entry}`),
    );
  });

  test('an entry where the engine has none', () => {
    const tables = script.tables ?? [];
    const [address, rows] = tables[0] as (typeof tables)[number];
    const index = [7, 8, 9].find((free) => !rows.some(([used]) => used === free)) ?? 0;
    failsWith({ tables: tables.with(0, [address, [...rows, [index, '0x20']]]) }, /expected 0x20, got 0x0/);
  });

  test('a missing and an additional table page', () => {
    const tables = script.tables ?? [];
    failsWith({ tables: tables.slice(0, -1) }, /table pages: expected/);
    failsWith({ tables: [...tables, ['0x100fff000', []]] }, /table pages: expected/);
  });

  test('another root', () => {
    failsWith({ root: '0x100001000' }, /root: expected 0x100001000, got 0x100000000/);
  });

  test('another error, and an error or a success that is none', () => {
    const isError = (result: Result) => 'err' in result;
    failsWith(
      withResult(isError, { err: 'AllocationFailure' }),
      /expected {"err":"AllocationFailure"}, got {"err":/,
    );
    failsWith(withResult(isError, { ok: true }), /expected {"ok":true}, got {"err":/);
    failsWith(
      withResult((result) => 'ok' in result, { err: 'NoMapping' }),
      /got {"ok":/,
    );
    failsWith(
      withResult((result) => 'ok' in result, { panic: 'boom' }),
      /got {"ok":/,
    );
  });

  test('a payload that the engine lacks', () => {
    const index = script.expect.findIndex((result) => 'err' in result);
    const { err } = script.expect[index] as { err: string };
    failsWith({ expect: script.expect.with(index, { err, va: '0x1' }) }, /"va":"0x1"/);
  });

  test('another attribute word and another region', () => {
    const query = script.ops.findIndex(
      ([name], index) => name === 'query' && 'ok' in (script.expect[index] as Result),
    );
    failsWith(
      withResult((_, index) => index === query, { ok: '0x8' }),
      /op \d+ \["query"/,
    );
    const regions = script.ops.findIndex(([name]) => name === 'regions');
    failsWith(
      withResult((_, index) => index === regions, { ok: [] }),
      /op \d+ \["regions"/,
    );
  });

  test('another result of construction', () => {
    failsWith(
      { beginExpect: { err: 'OutOfResources' } },
      /begin: expected {"err":"OutOfResources"}, got {"ok":true}/,
    );
  });

  test('an AArch64 query within TTBR0 that is answered otherwise, and one beyond it that finds a page', () => {
    const aarch64 = vectors('patina-aarch64-4');
    const replayed = (ops: Script['ops'], expected: readonly Result[]) => {
      const begin = { arch: 'aarch64', paging: 4 };
      const made = {
        id: 'made',
        begin,
        beginExpect: { ok: true },
        ops,
        expect: expected,
        root: '0x100000000',
        tables: null,
      };
      return replayFile({ ...aarch64, scripts: [made] }, patinaDriver);
    };
    expect(replayed([['query', '0x0', '0x1000']], [{ ok: '0x8' }])).toMatchObject({
      failed: 1,
      deviations: 0,
    });
    const beyond = ['query', '0x1000000000000', '0x1000'] as const;
    expect(replayed([beyond], [{ ok: '0x8' }])).toMatchObject({ failed: 0, deviations: 1 });
    expect(replayed([beyond], [{ err: 'NoMapping' }])).toMatchObject({ passed: 1, deviations: 0 });
  });
});

describe('npm run golden', () => {
  const small: VectorFile = {
    ...vectors('patina-x64-4'),
    scripts: vectors('patina-x64-4').scripts.slice(0, 3),
  };
  const packed = (file: object) => gzipSync(JSON.stringify({ format: 'pt-golden-1', ...file }));

  test('prints a line per file and one for all, and succeeds', () => {
    const folder = folderWith({ 'b.json.gz': packed(small), 'a.json.gz': packed(small), 'notes.txt': '' });
    expect(golden(folder)).toEqual({
      status: 0,
      log: [
        'a: passed 3, failed 0, deviations 0',
        'b: passed 3, failed 0, deviations 0',
        '6 passed, 0 failed, 0 deviations',
      ],
      error: [],
    });
  });

  test('fails with status 1 and shows what differs', () => {
    const scripts = small.scripts.map((script, index) => (index === 1 ? { ...script, root: '0x0' } : script));
    const { status, log, error } = golden(folderWith({ 'a.json.gz': packed({ ...small, scripts }) }));
    expect(status).toBe(1);
    expect(log.at(-1)).toBe('2 passed, 1 failed, 0 deviations');
    expect(error).toEqual([`  ${scripts[1]?.id}: root: expected 0x0, got 0x100000000`]);
  });

  test('passes over the vectors of a crate that it does not know', () => {
    const { status, log } = golden(folderWith({ 'a.json.gz': packed({ ...small, crate: 'unheard-of' }) }));
    expect(status).toBe(0);
    expect(log[0]).toBe('a: not yet supported (crate unheard-of)');
  });

  test.each([
    ['no directory', () => [], /^usage: npm run golden/],
    ['two directories', () => ['a', 'b'], /^usage: npm run golden/],
    ['a directory that is not there', () => ['/nowhere/at/all'], /^cannot read \/nowhere\/at\/all: ENOENT/],
    ['a directory without vectors', () => [folderWith({ 'a.json': '{}' })], /has no \*\.json\.gz files$/],
    ['a file that is not gzipped', () => [folderWith({ 'a.json.gz': '{}' })], /a\.json\.gz: .*header/],
    [
      'a truncated file',
      () => [folderWith({ 'a.json.gz': packed(small).subarray(0, 99) })],
      /a\.json\.gz: .*end of file/,
    ],
    ['a file that is not JSON', () => [folderWith({ 'a.json.gz': gzipSync('{') })], /a\.json\.gz: .*JSON/],
    [
      'another format',
      () => [folderWith({ 'a.json.gz': gzipSync('{"format":"x"}') })],
      /"format" is "x", expected/,
    ],
    [
      'a file without scripts',
      () => [folderWith({ 'a.json.gz': packed({ crate: 'c', config: 'd' }) })],
      /"scripts" is missing/,
    ],
    [
      'a script with an answer too many',
      () => [folderWith({ 'a.json.gz': packed({ ...small, scripts: [{ ...small.scripts[0], ops: [] }] }) })],
      /script 0 .* has no matching/,
    ],
  ])('%s is bad input: status 2 and a message', (_, args, message) => {
    const { status, log, error } = golden(...args());
    expect(status).toBe(2);
    expect(error.join('\n')).toMatch(message);
    expect(log.at(-1) ?? '').not.toMatch(/passed/);
  });
});

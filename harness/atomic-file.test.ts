import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFilesAtomically } from './atomic-file.ts';
import { fileProblem } from './inputs/file-problem.ts';
import { InputError } from './inputs/input-error.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mmucheck-atomic-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('files that are written together', () => {
  test('are all there, with nothing beside them', async () => {
    await writeFilesAtomically([
      { path: join(folder, 'a'), content: 'text' },
      { path: join(folder, 'b'), content: new Uint8Array([1, 2]) },
    ]);
    expect((await readdir(folder)).sort()).toEqual(['a', 'b']);
    expect(await readFile(join(folder, 'b'))).toEqual(Buffer.from([1, 2]));
  });

  test('stay as they were if one of them cannot be written', async () => {
    await writeFile(join(folder, 'a'), 'old');
    const files = [
      { path: join(folder, 'a'), content: 'new' },
      { path: join(folder, 'absent', 'b'), content: 'new' },
    ];
    const error = await writeFilesAtomically(files).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toBe(
      `${join(folder, 'absent', 'b')}: cannot be written: no such file or folder`,
    );
    expect(await readdir(folder)).toEqual(['a']);
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('old');
  });

  test('do not replace a folder, and leave no temporary file behind', async () => {
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await expect(writeFilesAtomically([{ path: join(folder, 'a'), content: '' }])).rejects.toThrow(
      InputError,
    );
    expect(await readdir(folder)).toEqual(['a']);
  });

  test('go through a symbolic link, which stays one', async () => {
    await writeFile(join(folder, 'target'), 'old');
    await symlink('target', join(folder, 'link'));
    await writeFilesAtomically([{ path: join(folder, 'link'), content: 'new' }]);
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(folder, 'target'), 'utf8')).toBe('new');
    expect((await readdir(folder)).sort()).toEqual(['link', 'target']);
  });

  test('go into a pipe, which stays one', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [read] = await Promise.all([
      readFile(pipe, 'utf8'),
      writeFilesAtomically([{ path: pipe, content: 'new' }]),
    ]);
    expect(read).toBe('new');
    expect((await lstat(pipe)).isFIFO()).toBe(true);
  });
});

test.each([
  ['ENOSPC', 'no space is left'],
  ['EACCES', 'permission denied'],
  ['ENOENT', 'no such file or folder'],
])('%s is put in words', (code, words) => {
  expect(fileProblem(Object.assign(new Error('raw'), { code }))).toBe(words);
  expect(fileProblem(Object.assign(new Error('raw'), { code: 'EOTHER' }))).toBe('raw');
});

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { x64Image } from '../../../test/inputs/images.ts';
import { InputError } from '../input-error.ts';
import { loadInput } from '../load-input.ts';
import { writeCapture } from './write-capture.ts';

const image = x64Image(0x20_0000n);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mmucheck-capture-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test.each(['tables.core', 'tables.core.gz', 'tables'])('%s reads back as it was', async (name) => {
  const path = join(folder, name);
  const written = await writeCapture(path, image);
  expect(written).toEqual({ core: path, registers: join(folder, 'tables.regs.json') });
  const read = await loadInput(path);
  expect(read.registers).toEqual(image.registers);
  expect(read.memory.ranges.map(({ firstFrame, words }) => [firstFrame, [...words]])).toEqual(
    image.memory.ranges.map(({ firstFrame, words }) => [firstFrame, [...words]]),
  );
});

test('only a name that ends in .gz is compressed', async () => {
  await writeCapture(join(folder, 'a.core'), image);
  await writeCapture(join(folder, 'b.core.gz'), image);
  expect((await readFile(join(folder, 'a.core'))).subarray(0, 4)).toEqual(Buffer.from('\x7fELF', 'latin1'));
  expect((await readFile(join(folder, 'b.core.gz'))).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
});

test('a capture replaces one of the same name and leaves no temporary file', async () => {
  const path = join(folder, 'tables.core');
  await writeCapture(path, image);
  await writeCapture(path, x64Image(0x40_0000n));
  expect((await loadInput(path)).registers).toMatchObject({ cr3: 0x40_0000n });
  expect((await readdir(folder)).sort()).toEqual(['tables.core', 'tables.regs.json']);
});

test('a folder that is not there is a bad input that names the file', async () => {
  const path = join(folder, 'absent', 'tables.core');
  const error = await writeCapture(path, image).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).message).toBe(`${path}: cannot be written: no such file or folder`);
});

test('a file where a folder should be is a bad input too', async () => {
  await writeFile(join(folder, 'other'), '');
  const path = join(folder, 'other', 'tables.core');
  await expect(writeCapture(path, image)).rejects.toThrow('a part of the path is not a folder');
});

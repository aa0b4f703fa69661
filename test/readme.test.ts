import { existsSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { readLayout } from '../harness/inputs/layout/read-layout.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const README = read('README.md');

/** The content of the first fenced block of a language. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(README)?.[1] ?? '';
}

test('the layout in the README is a layout', () => {
  expect(readLayout('README.md', block('yaml'))).toMatchObject({
    architecture: 'x64',
    regions: [{ name: 'firmware-code' }, { name: 'stack' }],
  });
});

test('the program in the README is examples/library.ts', () => {
  expect(block('ts')).toBe(read('examples/library.ts'));
});

test('examples/library.ts maps, queries, and has every machine agree', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await import('../examples/library.ts');
  expect(log.mock.calls).toEqual([[true], ['agree']]);
});

test('every file and folder that the README links to or lists is there', () => {
  const links = [...README.matchAll(/\]\((?!http)([^)]+)\)/g)].map((match) => match[1] ?? '');
  const folders = [...README.matchAll(/^\| `([a-z-]+)\/` /gm)].map((match) => match[1] ?? '');
  expect(links.length).toBeGreaterThan(3);
  expect(folders.length).toBeGreaterThan(6);
  for (const path of [...links, ...folders]) {
    expect(existsSync(new URL(`../${path}`, import.meta.url)), path).toBe(true);
  }
});

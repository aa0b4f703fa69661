import { existsSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { readLayout } from '../harness/inputs/layout/read-layout.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const README = read('README.md');

/** The content of the fenced blocks of a language. */
function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(
    ([, text]) => text ?? '',
  );
}

test('the layouts in the README are layouts', () => {
  const [x64, aarch64] = blocks('yaml').map((text) => readLayout('README.md', text));
  expect(x64).toMatchObject({ architecture: 'x64', regions: [{ name: 'firmware-code' }, { name: 'stack' }] });
  expect(aarch64).toMatchObject({
    architecture: 'aarch64',
    regions: [{ name: 'process-data' }, { name: 'kernel-text' }],
  });
});

test('the program in the README is examples/library.ts', () => {
  expect(blocks('ts')[0]).toBe(read('examples/library.ts'));
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

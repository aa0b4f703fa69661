import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { PUBLISHED_SCHEMAS } from './schemas.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test.each(Object.entries(PUBLISHED_SCHEMAS))(
  'schemas/%s is up to date (npm run schemas)',
  async (name, schema) => {
    expect(JSON.parse(await readFile(join(ROOT, 'schemas', name), 'utf8'))).toEqual(schema);
  },
);

describe('a validator that knows nothing of mmucheck', () => {
  const layouts = z.fromJSONSchema(PUBLISHED_SCHEMAS['layout.schema.json'] as never);
  const registers = z.fromJSONSchema(PUBLISHED_SCHEMAS['registers.schema.json'] as never);

  test('accepts every example', async () => {
    for (const name of await readdir(join(ROOT, 'examples'))) {
      if (!name.endsWith('.yaml')) continue;
      const example = parse(await readFile(join(ROOT, 'examples', name), 'utf8'));
      expect(layouts.safeParse(example).error, name).toBeUndefined();
    }
    const captures = join(ROOT, 'examples', 'captures');
    for (const name of await readdir(captures)) {
      if (!name.endsWith('.regs.json')) continue;
      const example = JSON.parse(await readFile(join(captures, name), 'utf8'));
      expect(registers.safeParse(example).error, name).toBeUndefined();
    }
  });

  const region = { name: 'a', base: '1M', size: 4096, attributes: ['read-only'] };

  test.each([
    ['an unknown key', { architecture: 'x64', pagin: '4-level', regions: [] }],
    ["the other architecture's key", { architecture: 'x64', regime: 'el2', regions: [] }],
    ['an unknown attribute', { architecture: 'x64', regions: [{ ...region, attributes: ['readonly'] }] }],
    ['a region without base', { architecture: 'x64', regions: [{ ...region, base: undefined }] }],
    ['a size in words', { architecture: 'x64', regions: [{ ...region, size: 'big' }] }],
    ['no architecture', { regions: [] }],
  ])('refuses %s', (_what, layout) => {
    expect(layouts.safeParse({ architecture: 'x64', regions: [region] }).success).toBe(true);
    expect(layouts.safeParse(layout).success).toBe(false);
  });
});

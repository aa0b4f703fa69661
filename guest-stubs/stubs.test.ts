import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Architecture } from '../src/registers.ts';
import { CONTROL_BYTES } from './aarch64/stub-protocol.ts';
import { assembleStub, generatedFiles, STUB_SOURCES } from './assemble.ts';
import { CONTROL_OFFSET } from './protocol.ts';

const FOLDER = dirname(fileURLToPath(import.meta.url));

describe.each(Object.keys(STUB_SOURCES) as Architecture[])('the %s stub', (architecture) => {
  const stub = assembleStub(FOLDER, architecture);

  test('is committed as its source assembles, byte for byte', () => {
    for (const [name, content] of Object.entries(generatedFiles(stub))) {
      expect(readFileSync(join(FOLDER, architecture, name), 'utf8'), name).toBe(content);
    }
  });

  test('leaves the control block to the host: it is zero', () => {
    expect(stub.blob.length).toBeGreaterThan(0);
    const control = stub.blob.subarray(CONTROL_OFFSET, CONTROL_OFFSET + CONTROL_BYTES);
    expect(control.every((byte) => byte === 0)).toBe(true);
  });
});

test('a source that does not assemble is an error with the line, not an empty stub', () => {
  expect(() => assembleStub(join(FOLDER, 'no-such-folder'), 'x64')).toThrow(/stub\.s/);
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { missingDependency } from '../../scripts/bootstrap/dependencies.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mmucheck-dependencies-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const HOST = { os: [process.platform], cpu: [process.arch] };
const LOCKED = {
  '': { version: '0.1.0' },
  'node_modules/yaml': { version: '2.0.0' },
  'node_modules/native-here': { version: '1.0.0', optional: true, ...HOST },
  'node_modules/native-elsewhere': { version: '1.0.0', optional: true, os: ['aix'], cpu: ['ppc64'] },
};
const INSTALLED = {
  'node_modules/yaml': { version: '2.0.0' },
  'node_modules/native-here': { version: '1.0.0' },
};

function write(locked: object, installed?: object): void {
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }));
  if (installed === undefined) return;
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }));
}

test('nothing is missing when node_modules holds the locked versions', () => {
  write(LOCKED, INSTALLED);
  expect(missingDependency(root)).toBeUndefined();
});

test('a clone without node_modules misses its first package', () => {
  write(LOCKED);
  expect(missingDependency(root)).toBe('yaml 2.0.0');
});

test('a package in another version than the locked one is missing', () => {
  write(LOCKED, { ...INSTALLED, 'node_modules/yaml': { version: '1.9.9' } });
  expect(missingDependency(root)).toBe('yaml 2.0.0');
});

test('a prebuilt package for this platform must be there, one for another platform need not', () => {
  write(LOCKED, { 'node_modules/yaml': { version: '2.0.0' } });
  expect(missingDependency(root)).toBe('native-here 1.0.0');
});

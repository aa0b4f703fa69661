import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeSystem } from './fake-system.ts';

interface Options {
  readonly log?: (line: string) => void;
  readonly cacheFolders?: string[];
  readonly environment?: Record<string, string | undefined>;
  readonly etc?: string;
}
interface SetupModule {
  ensureLibunicorn(options?: Options): Promise<{ path: string; version: string; action: string }>;
  moveStanzas(text: string, release: string, target: string): string;
  moveLines(text: string, release: string, target: string): string;
}
const { ensureLibunicorn, moveStanzas, moveLines }: SetupModule = await import(
  new URL('../../scripts/setup/libunicorn.mjs', import.meta.url).href
);

describe('the machine’s own package sources, moved to another release', () => {
  test('a stanza keeps everything but its suites, and side suites are left out', () => {
    const text =
      'Types: deb deb-src\n# a comment\nURIs: http://host/debian\nSuites: old old-updates\nComponents: main\nSigned-By: /k.gpg\n';
    expect(moveStanzas(text, 'old', 'new')).toBe(
      'Types: deb\nURIs: http://host/debian\nSuites: new\nComponents: main\nSigned-By: /k.gpg\n',
    );
  });

  test('stanzas of other releases, of side suites alone and disabled ones are left out', () => {
    const stanza = (suites: string, more = '') =>
      `Types: deb\nURIs: u\nSuites: ${suites}\nComponents: main\n${more}`;
    const text = [stanza('other'), stanza('old-security'), stanza('old', 'Enabled: no\n')].join('\n');
    expect(moveStanzas(text, 'old', 'new')).toBe('');
  });

  test('a line keeps its options, address and components', () => {
    const text =
      '# deb http://host/debian old main\ndeb [arch=amd64 signed-by=/k.gpg] http://host/debian old main contrib\n' +
      'deb-src http://host/debian old main\ndeb http://host/debian old-updates main\n';
    expect(moveLines(text, 'old', 'new')).toBe(
      'deb [arch=amd64 signed-by=/k.gpg] http://host/debian new main contrib\n',
    );
  });
});

describe('obtaining libunicorn', () => {
  let folder: string;
  let system: FakeSystem;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'libunicorn-test-'));
    system = new FakeSystem();
    vi.stubEnv('PATH', system.bin);
    vi.stubEnv('CALLS', join(system.folder, 'calls'));
    vi.stubEnv('TMPDIR', folder);
    mkdirSync(join(folder, 'etc', 'apt', 'sources.list.d'), { recursive: true });
    writeFileSync(join(folder, 'etc', 'os-release'), 'VERSION_CODENAME=bookworm\n');
    writeFileSync(join(folder, 'etc', 'apt', 'sources.list'), 'deb http://host/debian bookworm main\n');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    system[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const cache = () => join(folder, 'cache');
  const ensure = (environment: Record<string, string> = {}, cacheFolders = [cache()]) =>
    ensureLibunicorn({ environment, cacheFolders, etc: join(folder, 'etc') });

  /** An apt whose archive holds one version. */
  function installApt(candidate: string): void {
    system.command('apt-get', 'case "$*" in *download*) echo "$@" >> $CALLS; : > found.deb;; esac');
    system.command('apt-cache', `echo "  Candidate: ${candidate}"`);
    system.command('dpkg-deb', '/bin/mkdir -p $3/usr/lib; echo library > $3/usr/lib/libunicorn.so.2');
    system.command('ldd', 'echo "libc.so.6 => /lib/libc.so.6"');
  }

  test('fetches the next release’s package into the cache, and leaves nothing else behind', async () => {
    installApt('2.1.1-2+b2');
    const result = await ensure();
    expect(result).toEqual({
      path: join(cache(), 'libunicorn.so.2'),
      version: '2.1.1-2+b2',
      action: 'downloaded',
    });
    expect(readFileSync(result.path, 'utf8')).toBe('library\n');
    expect(readdirSync(cache()).sort()).toEqual(['libunicorn.so.2', 'version']);
    expect(readdirSync(folder).sort()).toEqual(['cache', 'etc']);
  });

  test('does nothing when it is there already', async () => {
    installApt('2.1.1-2+b2');
    await ensure();
    const calls = system.calls().length;
    expect(await ensure()).toMatchObject({ action: 'cached', version: '2.1.1-2+b2' });
    expect(system.calls()).toHaveLength(calls);
  });

  test('keeps it in the user’s folder where the project’s cannot be written', async () => {
    installApt('2.1.1-2');
    const blocked = join(folder, 'etc', 'os-release', 'cache');
    expect(await ensure({}, [blocked, cache()])).toMatchObject({ path: join(cache(), 'libunicorn.so.2') });
  });

  test('an archive that offers only an older one is an error that names it', async () => {
    installApt('2.0.1.post1-1');
    await expect(ensure()).rejects.toThrow(/offers libunicorn2t64 2\.0\.1\.post1-1 .*MMUCHECK_LIBUNICORN/);
    expect(readdirSync(folder).sort()).toEqual(['cache', 'etc']);
    expect(existsSync(join(cache(), 'libunicorn.so.2'))).toBe(false);
  });

  test('a package that this system’s C library cannot carry is refused', async () => {
    installApt('2.1.1-2');
    system.command('ldd', 'echo "libc.so.6: version GLIBC_2.99 not found"');
    await expect(ensure()).rejects.toThrow(/does not fit this system: .*GLIBC_2\.99/);
  });

  test('what apt says is in the message', async () => {
    installApt('2.1.1-2');
    system.command('apt-get', 'case "$*" in *update*) echo "E: no route" >&2; exit 100;; esac');
    await expect(ensure()).rejects.toThrow(/cannot obtain libunicorn: E: no route\. Install Unicorn 2\.1/);
  });

  test('without apt it says what to install by hand', async () => {
    await expect(ensure()).rejects.toThrow(/has no apt.*Install Unicorn.*MMUCHECK_LIBUNICORN/);
  });

  test('sources that know nothing of this release are an error', async () => {
    installApt('2.1.1-2');
    writeFileSync(join(folder, 'etc', 'apt', 'sources.list'), 'deb http://host/debian other main\n');
    await expect(ensure()).rejects.toThrow(/apt sources name no archive of bookworm/);
  });

  test('MMUCHECK_LIBUNICORN is used as it is, and must be readable', async () => {
    const own = join(folder, 'own.so');
    await expect(ensure({ MMUCHECK_LIBUNICORN: own })).rejects.toThrow(`${own}, which cannot be read`);
    writeFileSync(own, '');
    expect(await ensure({ MMUCHECK_LIBUNICORN: own })).toMatchObject({ path: own, action: 'override' });
  });

  test('a fitting library of the system is used where it is, an older one is not', async () => {
    installApt('2.1.1-2');
    system.command('ldconfig', 'echo "	libunicorn.so.2 (libc6,x86-64) => /lib/libunicorn.so.2"');
    system.command('dpkg-query', 'case "$1" in -S) echo "libunicorn2t64:amd64: $2";; *) echo 2.1.4-1;; esac');
    expect(await ensure()).toEqual({ path: '/lib/libunicorn.so.2', version: '2.1.4-1', action: 'system' });
    system.command('dpkg-query', 'case "$1" in -S) echo "libunicorn2:amd64: $2";; *) echo 2.0.1;; esac');
    expect(await ensure()).toMatchObject({ action: 'downloaded' });
  });
});

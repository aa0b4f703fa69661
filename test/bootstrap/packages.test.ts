import { expect, test } from 'vitest';
import { ensurePackages, REQUIREMENTS } from '../../scripts/setup/packages.mjs';
import { FakeSystem } from './fake-system.ts';

const RECORD = 'echo "apt-get $*" >> "$CALLS"';
/** An apt-get that puts every missing command there. */
const INSTALL = `${RECORD}
case " $* " in *" install "*)
  for command in ${REQUIREMENTS.map(({ command }) => command).join(' ')}; do
    echo '#!/bin/sh' > "$BIN/$command"; /bin/chmod +x "$BIN/$command"
  done
esac`;

function run(system: FakeSystem, isRoot = true): { installed: string[]; log: string[] } {
  const log: string[] = [];
  const installed = ensurePackages({
    environment: system.environment,
    isRoot,
    log: (line: string) => log.push(line),
  });
  return { installed, log };
}

function withEverythingBut(system: FakeSystem, ...absent: string[]): void {
  for (const { command } of REQUIREMENTS) if (!absent.includes(command)) system.command(command);
}

test('setup runs nothing and says nothing when every command is there', () => {
  using system = new FakeSystem();
  withEverythingBut(system);
  system.command('apt-get', RECORD);
  expect(run(system)).toEqual({ installed: [], log: [] });
  expect(system.calls()).toEqual([]);
});

test('setup installs only the packages whose commands are missing, after one update', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'qemu-system-aarch64', 'x86_64-linux-gnu-as');
  system.command('apt-get', INSTALL);
  const { installed, log } = run(system);
  expect(installed).toEqual(['qemu-system-arm', 'binutils-x86-64-linux-gnu']);
  expect(log).toEqual([
    'installing qemu-system-arm, binutils-x86-64-linux-gnu with apt-get; this can take some minutes',
  ]);
  expect(system.calls().map((line) => line.replace(/-q -o \S+ /, ''))).toEqual([
    'apt-get update',
    'apt-get install -y --no-install-recommends qemu-system-arm binutils-x86-64-linux-gnu',
  ]);
});

test('setup without apt-get names every missing command and its package, status 3', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'qemu-system-x86_64', 'aarch64-linux-gnu-as');
  expect(() => run(system)).toThrow(
    expect.objectContaining({
      status: 3,
      message: expect.stringMatching(
        /no apt-get .*qemu-system-x86_64 \(QEMU for x64\), aarch64-linux-gnu-as .*apt-get install --no-install-recommends qemu-system-x86 binutils-aarch64-linux-gnu$/,
      ),
    }),
  );
});

test('a failing install gives the package, both exit statuses and what apt-get said', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'qemu-system-x86_64');
  system.command(
    'apt-get',
    'case " $* " in *" update "*) echo "E: no network" >&2; exit 99;; esac\necho "E: Unable to locate" >&2; exit 100',
  );
  expect(() => run(system)).toThrow(
    expect.objectContaining({
      status: 3,
      message: expect.stringMatching(
        /^apt-get install qemu-system-x86 failed with exit status 100, after apt-get update failed with 99:\n {4}E: Unable to locate\n.*By hand: apt-get install/s,
      ),
    }),
  );
});

test('a failing update alone is said and does not stop an install that succeeds', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'x86_64-linux-gnu-as');
  system.command('apt-get', `case " $* " in *" update "*) exit 100;; esac\n${INSTALL}`);
  const { installed, log } = run(system);
  expect(installed).toEqual(['binutils-x86-64-linux-gnu']);
  expect(log[1]).toBe('apt-get update failed with exit status 100; trying with the old lists');
});

test('an install that succeeds without leaving the command is an error', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'x86_64-linux-gnu-as');
  system.command('apt-get');
  expect(() => run(system)).toThrow(
    'apt-get installed binutils-x86-64-linux-gnu, but x86_64-linux-gnu-as is not on the PATH',
  );
});

test('a user who is not root installs through sudo', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'x86_64-linux-gnu-as');
  system.command('apt-get', INSTALL);
  system.command(
    'sudo',
    'echo "sudo $*" >> "$CALLS"\nwhile [ "$1" != env ]; do shift; done; shift 2; exec "$@"',
  );
  expect(run(system, false).installed).toEqual(['binutils-x86-64-linux-gnu']);
  expect(system.calls()[0]).toMatch(/^sudo (-n )?env DEBIAN_FRONTEND=noninteractive \S*apt-get .* update$/);
});

test('a user who is not root and has no sudo is told what root has to run, status 3', () => {
  using system = new FakeSystem();
  withEverythingBut(system, 'x86_64-linux-gnu-as');
  system.command('apt-get', RECORD);
  expect(() => run(system, false)).toThrow(
    expect.objectContaining({
      status: 3,
      message: expect.stringMatching(
        /As root: apt-get install --no-install-recommends binutils-x86-64-linux-gnu$/,
      ),
    }),
  );
  expect(system.calls()).toEqual([]);
});

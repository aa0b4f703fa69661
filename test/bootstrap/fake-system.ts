import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A PATH of one folder, with shell scripts for commands, and a log of the lines they wrote to it. */
export class FakeSystem implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'mmucheck-fake-system-'));

  constructor() {
    mkdirSync(this.bin);
  }

  get bin(): string {
    return join(this.folder, 'bin');
  }

  get environment(): Record<string, string> {
    return { PATH: this.bin, BIN: this.bin, CALLS: join(this.folder, 'calls') };
  }

  /** Puts a command there; `body` is shell, with `$BIN`, `$CALLS` and builtins only. */
  command(name: string, body = ':'): void {
    const path = join(this.bin, name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }

  /** What the commands wrote to `$CALLS`, a line each. */
  calls(): string[] {
    const path = join(this.folder, 'calls');
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

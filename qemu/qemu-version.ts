import { type ExecFileException, execFile } from 'node:child_process';

/** What is installed under an executable's name, or why it cannot be used. */
export type QemuVersion =
  | { readonly found: true; readonly version: string }
  | { readonly found: false; readonly reason: string };

const asked = new Map<string, Promise<QemuVersion>>();

/**
 * Asks QEMU for its version ("7.2.22"), once per executable and process.
 * @param packageName what to install if it is missing
 */
export function qemuVersion(executable: string, packageName: string): Promise<QemuVersion> {
  let version = asked.get(executable);
  if (version === undefined) {
    version = askVersion(executable, packageName);
    asked.set(executable, version);
  }
  return version;
}

async function askVersion(executable: string, packageName: string): Promise<QemuVersion> {
  const { error, stdout, stderr } = await askForVersion(executable);
  const version = /version (\d+(?:\.\d+)+)/.exec(stdout)?.[1];
  if (version !== undefined) return { found: true, version };
  if (error?.code === 'ENOENT') {
    return { found: false, reason: `${executable} is not installed (Debian package ${packageName})` };
  }
  const said = (stderr || stdout || error?.message || '').trim().slice(0, 500);
  return { found: false, reason: `${executable} --version gave no version: ${said}` };
}

interface Answer {
  readonly error: ExecFileException | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with `--version`; by execFile, because execa's own start takes as long as QEMU's answer. */
function askForVersion(executable: string): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(executable, ['--version'], { timeout: 10_000 }, (error, stdout, stderr) => {
      resolve({ error, stdout, stderr });
    }).stdin?.end();
  });
}

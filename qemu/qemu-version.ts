import { execa } from 'execa';

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
  const result = await execa(executable, ['--version'], { reject: false, timeout: 10_000, stdin: 'ignore' });
  const version = /version (\d+(?:\.\d+)+)/.exec(result.stdout)?.[1];
  if (version !== undefined) return { found: true, version };
  if (result.code === 'ENOENT') {
    return { found: false, reason: `${executable} is not installed (Debian package ${packageName})` };
  }
  const said = (result.stderr || result.stdout || result.shortMessage || '').trim().slice(0, 500);
  return { found: false, reason: `${executable} --version gave no version: ${said}` };
}

import { execa } from 'execa';

const asked = new Map<string, Promise<string | undefined>>();

/** The version of an installed QEMU ("7.2.22"), undefined if there is none; asked once per process. */
export function qemuVersion(executable: string): Promise<string | undefined> {
  let version = asked.get(executable);
  if (version === undefined) {
    version = askVersion(executable);
    asked.set(executable, version);
  }
  return version;
}

async function askVersion(executable: string): Promise<string | undefined> {
  const result = await execa(executable, ['--version'], { reject: false, timeout: 10_000, stdin: 'ignore' });
  return result.failed ? undefined : /version (\d+(?:\.\d+)+)/.exec(result.stdout)?.[1];
}

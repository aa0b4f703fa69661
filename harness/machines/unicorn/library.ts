import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import koffi, { type LibraryHandle } from 'koffi';
import { PACKAGE_FOLDER } from '../../package.ts';

/** A loaded libunicorn. */
export interface UnicornLibrary {
  /** The file, or the name by which the dynamic linker found it. */
  readonly path: string;
  /** "2.1.1". */
  readonly version: string;
  readonly handle: LibraryHandle;
}

/** Why there is no usable libunicorn, and what to do. */
export class UnicornAbsentError extends Error {
  override readonly name = 'UnicornAbsentError';
}

/** Before 2.1 the x64 walker checks permissions and then drops the physical address. */
const MINIMUM = [2, 1] as const;
/** Names under which the dynamic linker may know it. */
const SYSTEM_NAMES = ['libunicorn.so.2', 'libunicorn.so'] as const;
const ADVICE =
  '`mmucheck setup` fetches Unicorn 2.1, or set MMUCHECK_LIBUNICORN to the path of a libunicorn.so.2 of 2.1 or later';

const loaded = new Map<string, UnicornLibrary>();

/**
 * Finds and loads libunicorn: the one that MMUCHECK_LIBUNICORN names, and none else if it is set; or the one that
 * `mmucheck setup` has fetched; or the system's.
 * @throws UnicornAbsentError if there is none of version 2.1 or later
 */
export async function findLibunicorn(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<UnicornLibrary> {
  const named = environment.MMUCHECK_LIBUNICORN;
  const candidates = named ? [named] : [...(await fetchedLibraries()), ...SYSTEM_NAMES];
  const refusals: string[] = [];
  for (const candidate of candidates) {
    const result = tryLoad(candidate);
    if (typeof result !== 'string') return result;
    if (named || !result.includes('cannot be loaded')) refusals.push(result);
  }
  const found = refusals.length > 0 ? refusals.join('; ') : 'no libunicorn is installed';
  throw new UnicornAbsentError(
    named ? `${found} (MMUCHECK_LIBUNICORN says to use it)` : `${found}; ${ADVICE}`,
  );
}

/** Where the setup script keeps what it fetches; only it knows. */
async function fetchedLibraries(): Promise<string[]> {
  const script = join(PACKAGE_FOLDER, 'scripts', 'setup', 'libunicorn.mjs');
  const setup: { libunicornCacheFolders(): string[] } = await import(pathToFileURL(script).href);
  return setup.libunicornCacheFolders().map((folder) => join(folder, SYSTEM_NAMES[0]));
}

/** The library, or why it is not usable. */
function tryLoad(path: string): UnicornLibrary | string {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  let handle: LibraryHandle;
  try {
    handle = koffi.load(path);
  } catch (error) {
    return `${path} cannot be loaded: ${error instanceof Error ? error.message : error}`;
  }
  const version = versionOf(handle);
  if (version === undefined) return `${path} is not libunicorn: it has no uc_version`;
  const [major, minor, patch] = version;
  if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
    handle.unload();
    return `${path} is version ${version.join('.')}, and mmucheck needs ${MINIMUM.join('.')} or later (earlier ones drop the physical address of x64 accesses)`;
  }
  const library = { path, version: `${major}.${minor}.${patch}`, handle };
  loaded.set(path, library);
  return library;
}

/** uc_version: major, minor, patch and extra, a byte each. */
function versionOf(handle: LibraryHandle): [major: number, minor: number, patch: number] | undefined {
  try {
    const read: (major: null, minor: null) => number = handle.func('uint32_t uc_version(void *, void *)');
    const packed = read(null, null);
    return [packed >>> 24, (packed >>> 16) & 0xff, (packed >>> 8) & 0xff];
  } catch {
    return undefined;
  }
}

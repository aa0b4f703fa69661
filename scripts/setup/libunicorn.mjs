/**
 * Obtains libunicorn 2.1 or later without installing it.
 *
 * Plain JavaScript without dependencies: it runs before `npm install` and before anything is built.
 */
import { execFile } from 'node:child_process';
import {
  access,
  constants,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The oldest release whose x64 walker keeps the physical address. */
const MINIMUM = [2, 1];
const LIBRARY = 'libunicorn.so.2';
const VERSION_FILE = 'version';
/** Names of the Debian package, newest first. */
const PACKAGES = ['libunicorn2t64', 'libunicorn2'];
/** Debian releases whose own libunicorn is too old, and the first one whose is not. */
const TOO_OLD_RELEASES = ['buster', 'bullseye', 'bookworm'];
const FIRST_FITTING_RELEASE = 'trixie';
const TIME_LIMIT = 180_000;

const projectFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Folders where an obtained library is kept, best first: the project's, and the user's for a project folder
 * that cannot be written.
 * @returns {string[]}
 */
export function libunicornCacheFolders() {
  return [join(projectFolder, '.cache', 'libunicorn'), join(homedir(), '.cache', 'mmucheck', 'libunicorn')];
}

/**
 * Makes sure that a fitting libunicorn is there. A no-op when it is.
 * @param {{ log?: (line: string) => void, cacheFolders?: string[], environment?: Record<string, string | undefined>,
 *   ignoreSystem?: boolean, etc?: string }} [options] `ignoreSystem`: obtain one even if the system has its own;
 *   `etc`: the folder of the system's settings
 * @returns {Promise<{ path: string, version: string, action: 'override' | 'cached' | 'system' | 'downloaded' }>}
 * @throws Error that says what to install by hand
 */
export async function ensureLibunicorn(options = {}) {
  const log = options.log ?? (() => {});
  const environment = options.environment ?? process.env;
  const folders = options.cacheFolders ?? libunicornCacheFolders();
  const etc = options.etc ?? '/etc';

  const override = environment.MMUCHECK_LIBUNICORN;
  if (override !== undefined && override !== '') {
    if (!(await readable(override))) {
      throw new Error(`MMUCHECK_LIBUNICORN names ${override}, which cannot be read`);
    }
    return { path: override, version: 'unknown', action: 'override' };
  }
  for (const folder of folders) {
    const version = await cachedVersion(folder);
    if (version !== undefined) return { path: join(folder, LIBRARY), version, action: 'cached' };
  }
  const system = options.ignoreSystem ? undefined : await systemLibrary();
  if (system !== undefined && fits(system.version)) return { ...system, action: 'system' };
  if (system !== undefined) log(`libunicorn ${system.version} at ${system.path} is older than 2.1`);

  return { ...(await download(await writableFolder(folders), etc, log)), action: 'downloaded' };
}

/** @param {string} version @returns {boolean} whether it is {@link MINIMUM} or later */
function fits(version) {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

async function cachedVersion(folder) {
  try {
    const version = (await readFile(join(folder, VERSION_FILE), 'utf8')).trim();
    return fits(version) && (await readable(join(folder, LIBRARY))) ? version : undefined;
  } catch {
    return undefined;
  }
}

/** The library that the dynamic linker knows, with its version where the package manager can tell it. */
async function systemLibrary() {
  const known = await output('ldconfig', ['-p']);
  const path = known?.match(/libunicorn\.so\.2\b.*=> (\S+)/)?.[1];
  if (path === undefined) return undefined;
  const owner = (await output('dpkg-query', ['-S', path]))?.split(':')[0];
  const packaged =
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in
    owner === undefined ? undefined : await output('dpkg-query', ['-W', '-f', '${Version}', owner]);
  const version = packaged ?? (await output('pkg-config', ['--modversion', 'unicorn']));
  return { path, version: version?.trim() ?? 'of unknown version' };
}

async function download(folder, etc, log) {
  if ((await output('apt-get', ['--version'])) === undefined) {
    throw new Error(
      'libunicorn 2.1 or later is not here, and this system has no apt to get it with. Install Unicorn ' +
        '(https://www.unicorn-engine.org) 2.1 or later and set MMUCHECK_LIBUNICORN to the path of libunicorn.so.2',
    );
  }
  const work = await mkdtemp(join(tmpdir(), 'mmucheck-libunicorn-'));
  try {
    const apt = await privateApt(work, etc, log);
    const { name, version } = await chooseCandidate(apt);
    log(`fetching ${name} ${version} (kept in ${folder}, not installed)`);
    await apt('apt-get', ['download', name]);
    const archive = (await readdir(work)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`apt-get download left no package of ${name}`);
    await run('dpkg-deb', ['-x', join(work, archive), join(work, 'tree')], { timeout: TIME_LIMIT });
    const library = await findFile(join(work, 'tree'), LIBRARY);
    if (library === undefined) throw new Error(`${archive} holds no ${LIBRARY}`);
    await checkLinks(library, archive);
    await keep(library, version, folder);
    return { path: join(folder, LIBRARY), version };
  } catch (error) {
    throw new Error(
      `cannot obtain libunicorn: ${aptMessage(error)}. Install Unicorn 2.1 or later by hand and set ` +
        'MMUCHECK_LIBUNICORN to the path of libunicorn.so.2',
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * An apt that reads its own copy of the machine's sources (on a release whose libunicorn is too old, with the
 * release's name replaced) and keeps its lists and caches in `work`.
 */
async function privateApt(work, etc, log) {
  const release = await debianRelease(etc);
  const target = TOO_OLD_RELEASES.includes(release) ? FIRST_FITTING_RELEASE : release;
  const parts = join(work, 'sources');
  await mkdir(parts);
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const written = await copySources(join(etc, 'apt'), parts, release, target);
  if (written === 0)
    throw new Error(`the system's apt sources name no archive of ${release || 'a Debian release'}`);

  const settings = [
    ['Dir::Etc::sourcelist', '/dev/null'],
    ['Dir::Etc::sourceparts', parts],
    ['Dir::State::lists', join(work, 'lists')],
    ['Dir::Cache', join(work, 'cache')],
    ['APT::Sandbox::User', ''],
    ['Acquire::Languages', 'none'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = (command, words) =>
    run(command, [...settings, '-q', ...words], { cwd: work, timeout: TIME_LIMIT, maxBuffer: 1 << 26 });
  log(`reading the package lists of ${target || 'this release'}`);
  await apt('apt-get', ['update', '--error-on=any']);
  return apt;
}

async function chooseCandidate(apt) {
  const offered = [];
  for (const name of PACKAGES) {
    const { stdout } = await apt('apt-cache', ['policy', name]);
    const version = stdout.match(/Candidate: (\d\S*)/)?.[1];
    if (version !== undefined && fits(version)) return { name, version };
    if (version !== undefined) offered.push(`${name} ${version}`);
  }
  throw new Error(
    `the package archive offers ${offered.join(' and ') || 'no libunicorn'}, which is not 2.1 or later`,
  );
}

async function copySources(apt, parts, release, target) {
  let written = 0;
  const listFolder = join(apt, 'sources.list.d');
  const names = (await readdir(listFolder).catch(() => [])).map((name) => join(listFolder, name));
  for (const path of [join(apt, 'sources.list'), ...names]) {
    const convert = path.endsWith('.sources') ? moveStanzas : path.endsWith('.list') ? moveLines : undefined;
    const text = convert && (await readFile(path, 'utf8').catch(() => ''));
    const moved = convert?.(text, release, target);
    if (moved) {
      await writeFile(join(parts, basename(path)), moved);
      written++;
    }
  }
  return written;
}

/**
 * The stanzas of a deb822 `.sources` file that name `release`, for `target` instead and without its side suites.
 * @param {string} text @param {string} release @param {string} target
 * @returns {string} empty if there is none
 */
export function moveStanzas(text, release, target) {
  const stanzas = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n\s*\n/);
  return stanzas
    .filter((stanza) => !/^Enabled:\s*(no|false)\s*$/im.test(stanza))
    .filter((stanza) =>
      stanza
        .match(/^Suites:(.*)$/im)?.[1]
        ?.trim()
        .split(/\s+/)
        .includes(release),
    )
    .map((stanza) =>
      stanza
        .trim()
        .replace(/^Suites:.*$/im, `Suites: ${target}`)
        .replace(/^Types:.*$/im, 'Types: deb'),
    )
    .map((stanza) => `${stanza}\n`)
    .join('\n');
}

/**
 * The `deb` lines of a one-line `.list` file that name `release`, for `target` instead.
 * @param {string} text @param {string} release @param {string} target
 * @returns {string} empty if there is none
 */
export function moveLines(text, release, target) {
  return text
    .split('\n')
    .map((line) => line.match(/^\s*(deb\s+(?:\[[^\]]*\]\s+)?\S+)\s+(\S+)\s+(.+)$/))
    .filter((parts) => parts !== null && parts[2] === release)
    .map((parts) => `${parts[1]} ${target} ${parts[3]}\n`)
    .join('');
}

async function debianRelease(etc) {
  const text = await readFile(join(etc, 'os-release'), 'utf8').catch(() => '');
  return text.match(/^VERSION_CODENAME="?([^"\n]*)/m)?.[1] ?? '';
}

/** Refuses a library that this system's C library or another missing one cannot carry. */
async function checkLinks(library, archive) {
  const links = await run('ldd', [library]).catch((error) => ({ stdout: `${error.stdout}${error.stderr}` }));
  const missing = links.stdout.split('\n').filter((line) => line.includes('not found'));
  if (missing.length > 0) {
    throw new Error(`${archive} does not fit this system: ${missing.map((line) => line.trim()).join('; ')}`);
  }
}

/** Puts the library in place so that a reader never sees half of it. */
async function keep(library, version, folder) {
  const copy = join(folder, `.${LIBRARY}.${process.pid}`);
  await cp(library, copy, { dereference: true });
  await rename(copy, join(folder, LIBRARY));
  await writeFile(join(folder, VERSION_FILE), `${version}\n`);
}

async function writableFolder(folders) {
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
      return folder;
    } catch {
      // The next one may be writable.
    }
  }
  throw new Error(`none of these folders can be written to keep libunicorn in: ${folders.join(', ')}`);
}

async function findFile(folder, name) {
  const entries = await readdir(folder, { recursive: true });
  const found = entries.find((entry) => basename(entry) === name);
  return found === undefined ? undefined : join(folder, found);
}

async function readable(path) {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

/** What a command prints, or undefined if it is not there or fails. */
async function output(command, words) {
  return run(command, words, { timeout: TIME_LIMIT }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}

/** The lines that apt marks as errors, or the error's own message. */
function aptMessage(error) {
  const marked = `${error.stderr ?? ''}`.split('\n').filter((line) => line.startsWith('E:'));
  return marked.length > 0 ? marked.join(' ') : error.message;
}

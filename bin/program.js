// @ts-check
/** How a bundled program is loaded: with what V8 has compiled of it before, it starts in two thirds of the time. */

// An import of node:fs would fill a namespace with all that it has, streams included.
const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
const { createRequire } = process.getBuiltinModule('node:module');
const { Script } = process.getBuiltinModule('node:vm');

/**
 * Where the compiled code of a program is kept. V8 refuses that of another version of itself, or for other flags, and
 * then compiles as ever.
 * @param {string} file
 */
export function codeCacheOf(file) {
  return `${file}.cache`;
}

/**
 * Compiles a program in CommonJS form, all ASCII; `importModule` is its import().
 * @param {string} file
 */
export function compileProgram(file) {
  const cache = codeCacheOf(file);
  const source = readFileSync(file, 'latin1');
  const script = new Script(`(function (exports, require, __filename, importModule) {${source}\n})`, {
    filename: file,
    ...(existsSync(cache) && { cachedData: readFileSync(cache) }),
  });
  /** @param {string} specifier */
  const importModule = (specifier) => import(specifier);
  return { script, run: () => script.runInThisContext()({}, createRequire(file), file, importModule) };
}

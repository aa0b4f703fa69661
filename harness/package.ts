import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);

/** The package's folder, whether this runs from the sources or from dist. */
export const PACKAGE_FOLDER: string = dirname(require.resolve('mmucheck/package.json'));

/** The version of mmucheck, as package.json says it. */
export const VERSION: string = (require('mmucheck/package.json') as { version: string }).version;

/** `npm run schemas`: writes the published JSON Schemas from the forms that read the files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PUBLISHED_SCHEMAS } from './schemas.ts';

const FOLDER = 'schemas';

await mkdir(FOLDER, { recursive: true });
for (const [name, schema] of Object.entries(PUBLISHED_SCHEMAS)) {
  await writeFile(join(FOLDER, name), `${JSON.stringify(schema, undefined, 2)}\n`);
}

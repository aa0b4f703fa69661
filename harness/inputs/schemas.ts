import { REGISTERS_SCHEMA } from './capture/registers-file.ts';
import type { JsonSchema } from './form/form.ts';
import { LAYOUT_SCHEMA } from './layout/layout-form.ts';

/** The published JSON Schemas by the file's name in `schemas/`. */
export const PUBLISHED_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  'layout.schema.json': LAYOUT_SCHEMA,
  'registers.schema.json': REGISTERS_SCHEMA,
};

import { MEMORY_ATTRIBUTE_NAMES } from '../../../src/memory-attributes.ts';
import {
  amount,
  choice,
  type JsonSchema,
  list,
  optional,
  placed,
  type RecordOf,
  record,
  required,
  text,
  variants,
} from '../form/form.ts';

const U64 = amount((1n << 64n) - 1n);

const REGION_FIELDS = {
  name: required(text, 'Names the region in reports.'),
  base: required(
    placed(U64),
    'First address, virtual and physical: a multiple of 4096. Decimal, 0x…, or with K, M, G, T (powers of 1024).',
  ),
  size: required(placed(U64), 'Bytes: a multiple of 4096, not 0. Written as the base.'),
  attributes: optional(
    list(placed(choice('attribute', MEMORY_ATTRIBUTE_NAMES))),
    'What the region is. Nothing: readable, writable, executable; on AArch64 also writeback.',
  ),
};

const REGIONS = required(
  list(placed(record('a region', REGION_FIELDS))),
  'The mapped memory, in any order and without overlaps. Everything that no region covers must be unmapped.',
);

/** The form of a layout file. */
export const LAYOUT_FORM = variants('a layout', 'architecture', {
  x64: record('an x64 layout', {
    architecture: required(choice('architecture', ['x64']), 'The architecture.'),
    paging: optional(
      choice('paging', ['4-level', '5-level']),
      'Levels of the page tables; 4-level where absent.',
    ),
    regions: REGIONS,
  }),
  aarch64: record('an aarch64 layout', {
    architecture: required(choice('architecture', ['aarch64']), 'The architecture.'),
    regime: optional(
      choice('regime', ['el2', 'el1']),
      'The translation regime: the exception level whose tables these are; el2 where absent.',
    ),
    regions: REGIONS,
  }),
});

/** A region as it stands in the file: well-formed, but not yet checked against anything else. */
export type WrittenRegion = RecordOf<typeof REGION_FIELDS>;

/** The published schema of layout files. */
export const LAYOUT_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'mmucheck memory layout',
  description: 'What a firmware or kernel maps, and with which attributes.',
  ...LAYOUT_FORM.schema,
};

import { MEMORY_ATTRIBUTE_NAMES } from '../../../src/memory-attributes.ts';
import {
  amount,
  choice,
  flag,
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
import { PAGE_SIZE_NAMES, X64_MEMORY_TYPE_NAMES } from './x64-region.ts';

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

const REGIONS_IN_WORDS =
  'The mapped memory, in any order and without overlaps. Everything that no region covers must be unmapped.';

const X64_REGION_FIELDS = {
  ...REGION_FIELDS,
  physical: optional(
    placed(U64),
    'First physical address, written as the base; where absent, the region is mapped to its own address.',
  ),
  user: optional(
    placed(flag),
    'Whether user mode may access it; true where absent, unless the attributes say supervisor.',
  ),
  global: optional(
    flag,
    'Whether its translations are global (G in every leaf); where absent, not declared.',
  ),
  pageSize: optional(
    choice('page size', PAGE_SIZE_NAMES),
    'The largest page that may map it; where absent, whatever fits.',
  ),
  memoryType: optional(
    placed(choice('memory type', X64_MEMORY_TYPE_NAMES)),
    'The memory type that PAT is to give it, exactly; instead of a cache attribute.',
  ),
};

/** The form of a layout file. */
export const LAYOUT_FORM = variants('a layout', 'architecture', {
  x64: record('an x64 layout', {
    architecture: required(choice('architecture', ['x64']), 'The architecture.'),
    paging: optional(
      choice('paging', ['4-level', '5-level']),
      'Levels of the page tables; 4-level where absent.',
    ),
    regions: required(list(placed(record('a region', X64_REGION_FIELDS))), REGIONS_IN_WORDS),
  }),
  aarch64: record('an aarch64 layout', {
    architecture: required(choice('architecture', ['aarch64']), 'The architecture.'),
    regime: optional(
      choice('regime', ['el2', 'el1']),
      'The translation regime: the exception level whose tables these are; el2 where absent.',
    ),
    regions: required(list(placed(record('a region', REGION_FIELDS))), REGIONS_IN_WORDS),
  }),
});

/** A region as it stands in the file: well-formed, but not yet checked against anything else. */
export type WrittenRegion = RecordOf<typeof REGION_FIELDS>;

/** A region of an x64 layout as it stands in the file. */
export type WrittenX64Region = RecordOf<typeof X64_REGION_FIELDS>;

/** The published schema of layout files. */
export const LAYOUT_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'mmucheck memory layout',
  description: 'What a firmware or kernel maps, and with which attributes.',
  ...LAYOUT_FORM.schema,
};

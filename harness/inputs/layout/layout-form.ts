import { MEMORY_ATTRIBUTE_NAMES } from '../../../src/memory-attributes.ts';
import {
  amount,
  choice,
  type Form,
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
import {
  AARCH64_MEMORY_TYPE_NAMES,
  AARCH64_PAGE_SIZE_NAMES,
  GRANULE_NAMES,
  GUEST_WORDS,
  SHARE_NAMES,
  USER_WORDS,
  type UserWord,
} from './aarch64-region.ts';
import { REGIME_NAMES } from './layout.ts';
import { PAGE_SIZE_NAMES, X64_MEMORY_TYPE_NAMES } from './x64-region.ts';

const U64 = amount((1n << 64n) - 1n);

const REGION_FIELDS = {
  name: required(text, 'Names the region in reports.'),
  base: required(
    placed(U64),
    'First address, and the first physical one where "physical" says no other: a multiple of a page (4096, or the granule). Decimal, 0x…, or with K, M, G, T (powers of 1024).',
  ),
  size: required(placed(U64), 'Bytes: a multiple of a page, not 0. Written as the base.'),
  attributes: optional(
    list(placed(choice('attribute', MEMORY_ATTRIBUTE_NAMES))),
    'What the region is. Nothing: readable, writable, executable; on AArch64 also writeback.',
  ),
};

const REGIONS_IN_WORDS =
  'The mapped memory, in any order and without overlaps. Everything that no region covers must be unmapped.';

const PHYSICAL = optional(
  placed(U64),
  'First physical address, written as the base; where absent, the region is mapped to its own address.',
);

const X64_REGION_FIELDS = {
  ...REGION_FIELDS,
  physical: PHYSICAL,
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

/** The words of `user`; editors know two of them as booleans. */
const USER: Form<UserWord> = {
  ...choice('user permission', USER_WORDS),
  schema: { enum: [true, false, ...USER_WORDS.slice(2)] },
};

const AARCH64_REGION_FIELDS = {
  ...REGION_FIELDS,
  physical: PHYSICAL,
  user: optional(
    placed(USER),
    'What EL0 may do, beside what the attributes let the privileged level do: none (or false), r, rw, x, rx, rwx, or true for the same as that level. Where absent, EL0 reads and writes nothing and executes what is not execute-protect or supervisor.',
  ),
  guest: optional(
    placed(choice('guest permission', GUEST_WORDS)),
    'Of stage 2: what the guest may do, instead of read-only and execute-protect: none, r, w, rw, x, rx, wx, rwx.',
  ),
  memoryType: optional(
    placed(choice('memory type', AARCH64_MEMORY_TYPE_NAMES)),
    'The memory type, exactly; instead of a cache attribute.',
  ),
  share: optional(
    placed(choice('shareability', SHARE_NAMES)),
    'The shareability of cacheable memory; where absent, not declared.',
  ),
  pageSize: optional(
    placed(choice('page size', AARCH64_PAGE_SIZE_NAMES)),
    'The largest page or block that may map it; where absent, whatever fits.',
  ),
  global: optional(
    placed(flag),
    'Whether its translations are for every ASID (nG clear in every leaf); where absent, not declared.',
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
      choice('regime', REGIME_NAMES),
      'The translation regime: the exception level whose tables these are, el2-vhe for EL2&0, or stage2; el2 where absent.',
    ),
    granule: optional(choice('granule', GRANULE_NAMES), 'The size of a page; 4K where absent.'),
    vaBits: optional(
      placed(amount(48n, 16n)),
      'Width of a virtual address (of each half, where there are two), or of a guest physical address at stage 2; where absent, what a full root table translates, 48 at most.',
    ),
    rootLevel: optional(
      placed(amount(3n)),
      'The level of the root table; where absent, what vaBits asks for.',
    ),
    paBits: optional(
      placed(amount(48n, 32n)),
      'Width of a physical address: 32, 36, 40, 42, 44 or 48; where absent, 40 or as many as the regions need.',
    ),
    regions: required(list(placed(record('a region', AARCH64_REGION_FIELDS))), REGIONS_IN_WORDS),
  }),
});

/** A region as it stands in the file: well-formed, but not yet checked against anything else. */
export type WrittenRegion = RecordOf<typeof REGION_FIELDS>;

/** A region of an x64 layout as it stands in the file. */
export type WrittenX64Region = RecordOf<typeof X64_REGION_FIELDS>;

/** A region of an AArch64 layout as it stands in the file. */
export type WrittenAArch64Region = RecordOf<typeof AARCH64_REGION_FIELDS>;

/** An AArch64 layout as it stands in the file. */
export type WrittenAArch64Layout = Extract<
  typeof LAYOUT_FORM extends Form<infer T> ? T : never,
  { readonly architecture: 'aarch64' }
>;

/** The published schema of layout files. */
export const LAYOUT_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'mmucheck memory layout',
  description: 'What a firmware or kernel maps, and with which attributes.',
  ...LAYOUT_FORM.schema,
};

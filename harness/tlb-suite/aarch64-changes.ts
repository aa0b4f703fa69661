import { Constraints, MemoryRegion } from '../../src/aarch64/mapping/index.ts';
import type { TranslationRegime } from '../../src/aarch64/mapping/regime.ts';
import type { AArch64Change } from './aarch64-case.ts';
import type { CaseSpace, FlagChange } from './aarch64-space.ts';

/** Of a block, of a run of 16 pages that share a contiguous hint: with the 4 KiB granule. */
const BLOCK_BYTES = 0x20_0000n;
const RUN_BYTES = 0x1_0000n;
/** More than are invalidated one by one. */
const MANY_BYTES = 2n * BLOCK_BYTES;

/**
 * In RAM, below the tables, so that a data tag says where an access went; and pages whose numbers differ in their low
 * bits from those of a stub's: a TLB that is indexed by them would lose them to it.
 */
const BLOCK_FRAME = 0x3020_0000n;
const OTHER_FRAME = 0x3085_6000n;
const OFFSET_OF_BLOCK = 0x4020_0000n;
const OFFSET_IN_BLOCK = 0xa_d000n;

/** The changes that every regime has, in one address space. */
export function changesIn<R extends TranslationRegime>(space: CaseSpace<R>) {
  const { none, open, pageBytes, writeThrough, readOnly, neverExecuted, restricted, relaxed } = space;
  const block = space.base + OFFSET_OF_BLOCK;
  const offset = OFFSET_IN_BLOCK & -pageBytes;
  const at = block + offset;
  const page = new MemoryRegion(at, at + pageBytes);
  const pageFrame = BLOCK_FRAME + offset;
  const otherFrame = OTHER_FRAME & -pageBytes;
  const run = new MemoryRegion(at & -RUN_BYTES, (at & -RUN_BYTES) + RUN_BYTES);
  const runFrame = pageFrame & -RUN_BYTES;
  const around = [at - pageBytes, at, at + pageBytes];

  type Change = AArch64Change<R>;
  const mapPage =
    (frame: bigint, flags = open): Change['prepare'] =>
    ({ mapping }) => {
      mapping.mapRange(page, frame, flags);
    };
  const inBoth: Change['prepare'] = ({ mapping, other }) => {
    mapping.mapRange(page, pageFrame, open);
    other.mapRange(page, otherFrame, open);
  };
  /** A change of attributes that needs no break. */
  const modify = (
    name: string,
    withoutFlush: Change['withoutFlush'],
    { set, clear }: FlagChange<R>,
    before = open,
  ): Change => ({
    name,
    withoutFlush,
    pages: [at],
    prepare: mapPage(pageFrame, before),
    change: async ({ mapping, carryOut }) =>
      carryOut(mapping.modifyRange(page, (descriptor) => descriptor.modifyFlags(set, clear))),
  });
  /** A region is broken, and mapped anew. */
  const remake =
    (region: MemoryRegion, frame: bigint, flags = open): Change['change'] =>
    async ({ mapping, carryOut }) => {
      const broken = mapping.breakRange(region);
      await carryOut(broken.maintenance);
      await carryOut(broken.mapRange(frame, flags));
    };

  return {
    map: {
      name: 'map a page that was not mapped',
      withoutFlush: 'nothing',
      pages: [at],
      prepare: () => {},
      change: async ({ mapping, carryOut }) => carryOut(mapping.mapRange(page, pageFrame, open)),
    },
    unmap: {
      name: 'unmap',
      withoutFlush: 'stale',
      pages: [at],
      prepare: mapPage(pageFrame),
      change: async ({ mapping, carryOut }) => carryOut(mapping.mapRange(page, 0, none)),
    },
    unmapMany: {
      name: 'unmap 1024 pages',
      withoutFlush: 'stale',
      pages: [block, at, block + MANY_BYTES - pageBytes],
      prepare: ({ mapping }) => {
        const many = new MemoryRegion(block, block + MANY_BYTES);
        mapping.mapRange(many, BLOCK_FRAME, open, Constraints.NoBlockMappings);
      },
      change: async ({ mapping, carryOut }) =>
        carryOut(mapping.mapRange(new MemoryRegion(block, block + MANY_BYTES), 0, none)),
    },
    restrict: modify('restrict: take writing away', 'stale', readOnly),
    neverExecuted: modify('restrict: forbid execution', 'stale', neverExecuted),
    relax: modify('relax: allow writing and execution', 'spurious fault', relaxed, restricted),
    remap: {
      name: 'remap to another frame, break-before-make',
      withoutFlush: 'stale',
      pages: [at],
      prepare: mapPage(pageFrame),
      change: remake(page, otherFrame),
    },
    memoryType: {
      name: 'change the memory type (as AT says), break-before-make',
      withoutFlush: 'stale',
      pages: [at],
      prepare: mapPage(pageFrame),
      change: remake(page, pageFrame, writeThrough),
    },
    split: {
      name: 'split a 2 MiB block, break-before-make',
      withoutFlush: 'stale',
      pages: around,
      prepare: ({ mapping }) => {
        mapping.mapRange(new MemoryRegion(block, block + BLOCK_BYTES), BLOCK_FRAME, open);
      },
      change: remake(page, otherFrame),
    },
    clearHint: {
      name: 'break a contiguous run, its hint goes',
      withoutFlush: 'stale',
      pages: around,
      prepare: ({ mapping }) => {
        mapping.mapRange(run, runFrame, open);
      },
      change: remake(page, otherFrame),
    },
    setHint: {
      name: 'make a contiguous run whole, its hint comes',
      withoutFlush: 'stale',
      pages: around,
      prepare: ({ mapping }) => {
        mapping.mapRange(run, runFrame, open, Constraints.NoContiguousHint);
        mapping.mapRange(page, otherFrame, open);
      },
      // What breakRange has broken is made again entry by entry, without a hint.
      change: async ({ mapping, carryOut }) => {
        await carryOut(mapping.mapRange(run, 0, none));
        await carryOut(mapping.mapRange(run, runFrame, open));
      },
    },
    compact: {
      name: 'give an empty table back',
      withoutFlush: 'stale',
      pages: [at],
      prepare: ({ mapping }) => {
        mapping.mapRange(page, pageFrame, open);
        mapping.mapRange(page, 0, none);
      },
      change: async ({ mapping, carryOut }) => carryOut(mapping.compactSubtables()),
    },
    deactivate: {
      name: 'deactivate, the tables before come back',
      withoutFlush: 'stale',
      pages: [at],
      otherBefore: true,
      prepare: inBoth,
      change: async ({ mapping, processor, previous, carryOut }) =>
        carryOut(await mapping.deactivate(processor, previous)),
    },
  } as const satisfies { readonly [name: string]: Change };
}

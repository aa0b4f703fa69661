import fc from 'fast-check';
import { LAYOUT_MAIR } from '../../harness/inputs/layout/aarch64-leaf.ts';
import { AArch64Tables } from '../../harness/inputs/layout/aarch64-tables.ts';
import type { RegimeName } from '../../harness/inputs/layout/layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { queryOf } from '../../harness/inputs/query.ts';
import type { LayoutAgainstCaptureInput } from '../../harness/inputs/types.ts';
import { translationRegisters } from '../../src/aarch64/translation-registers.ts';
import {
  Constraints,
  El1And0,
  El2,
  El2And0,
  El3,
  type GranuleName,
  MemoryRegion,
  RootTable,
  Stage2,
  TargetAllocator,
  type TranslationRegime,
} from '../../src/index.ts';
import { attributesOf, type ChangeableLeaf, LEAF_KINDS, type LeafKind } from './leaf-kinds.ts';

/** Tables of which random ranges are mapped. */
export interface Shape {
  readonly regime: RegimeName;
  readonly granule: GranuleName;
  readonly rootLevel: number;
  readonly vaRange: 'lower' | 'upper';
}

/** What is done to the tables; pages are the granule's, counted in a window. */
export type Step =
  | {
      readonly kind: 'map';
      readonly window: number;
      readonly first: number;
      readonly count: number;
      /** How far the frames are from where a block would want them. */
      readonly shift: number;
      readonly leaf: number;
      readonly constraints: number;
    }
  | {
      readonly kind: 'unmap' | 'read-only';
      readonly window: number;
      readonly first: number;
      readonly count: number;
    }
  | { readonly kind: 'block'; readonly leaf: number }
  | { readonly kind: 'compact' };

const REGIMES: Readonly<Record<RegimeName, TranslationRegime>> = {
  el1: El1And0,
  el2: El2,
  'el2-vhe': El2And0,
  el3: El3,
  stage2: Stage2,
};
const PAGE_SHIFTS: Readonly<Record<GranuleName, number>> = { '4K': 12, '16K': 14, '64K': 16 };
const TABLES = 0x4000_0000n;
/** Beyond every machine's memory, and a multiple of every block. */
const FIRST_FRAME = 0x10_0000_0000n;
const PHYSICAL_BITS = 40;
/** Pages of a window, which lies at the beginning, around the end of the first block, or at the end of the range. */
const WINDOW = 24;
/** The window in which blocks are mapped, behind the others; in pages it begins at twice a block. */
const BLOCK_WINDOW = 3;

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('map' as const),
        window: fc.nat(BLOCK_WINDOW),
        first: fc.nat(WINDOW - 1),
        count: fc.integer({ min: 1, max: WINDOW }),
        shift: fc.constantFrom(0, 0, 1, 16),
        leaf: fc.nat(3),
        constraints: fc.constantFrom(
          Constraints.None,
          Constraints.NoBlockMappings,
          Constraints.NoContiguousHint,
        ),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('unmap' as const, 'read-only' as const),
        window: fc.nat(BLOCK_WINDOW),
        first: fc.nat(WINDOW - 1),
        count: fc.integer({ min: 1, max: WINDOW }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('block' as const), leaf: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
  ),
  { minLength: 1, maxLength: 8 },
);

interface Page {
  /** In pages of the granule. */
  readonly frame: bigint;
  readonly leaf: ChangeableLeaf;
}

/** Tables, and beside them a plain record of what was done to each page. */
export class RandomMapping {
  readonly shape: Shape;
  readonly #table: RootTable;
  readonly #allocator = new TargetAllocator(TABLES);
  readonly #pageShift: number;
  readonly #vaBits: number;
  /** Pages that the tables translate, and that a block at level 2 maps. */
  readonly #pages: number;
  readonly #block: number;
  readonly #mapped = new Map<number, Page>();

  constructor(shape: Shape) {
    this.shape = shape;
    const { regime, granule, rootLevel, vaRange } = shape;
    this.#pageShift = PAGE_SHIFTS[granule];
    const indexBits = this.#pageShift - 3;
    const widest = Math.min(48, this.#pageShift + (4 - rootLevel) * indexBits);
    this.#vaBits = regime === 'stage2' ? Math.min(PHYSICAL_BITS, widest) : widest;
    this.#pages = 2 ** (this.#vaBits - this.#pageShift);
    this.#block = 2 ** indexBits;
    this.#table = new RootTable<TranslationRegime>({
      regime: REGIMES[regime],
      vaRange,
      granule,
      vaBits: this.#vaBits,
      rootLevel,
      memory: this.#allocator.memory,
      allocator: this.#allocator,
      physicalAddressBits: PHYSICAL_BITS,
    });
  }

  do(step: Step): void {
    switch (step.kind) {
      case 'compact':
        this.#table.compactSubtables();
        break;
      case 'block': {
        if (this.#pages < 4 * this.#block) return;
        this.#map(2 * this.#block, this.#block, 0, step.leaf, Constraints.None);
        break;
      }
      default: {
        const start = this.#windowStart(step.window);
        const first = start + step.first;
        const count = Math.min(step.count, WINDOW - step.first, this.#pages - first);
        if (step.kind === 'map') this.#map(first, count, step.shift, step.leaf, step.constraints);
        else if (step.kind === 'unmap') this.#unmap(first, count);
        else this.#makeReadOnly(first, count);
      }
    }
  }

  /** The tables as a capture, and the record as the layout that they should implement. */
  input(): LayoutAgainstCaptureInput {
    const { regime, granule, rootLevel, vaRange } = this.shape;
    const header = `architecture: aarch64\nregime: ${regime}\ngranule: ${granule}\nrootLevel: ${rootLevel}\nvaBits: ${this.#vaBits}\n`;
    const lines = this.#runs().map(
      ({ first, count, frame, leaf }, index) =>
        `  - { name: r${index}, base: ${this.#address(first)}, size: ${BigInt(count) << this.#shift}, physical: ${frame << this.#shift}, ${leaf.declared} }`,
    );
    const layout = readLayout(
      'random.yaml',
      `${header}regions:${lines.length === 0 ? ' []' : `\n${lines.join('\n')}`}\n`,
    );
    const registers = translationRegisters({
      regime: REGIMES[regime],
      [vaRange]: this.#table,
      granule,
      rootLevel,
      physicalAddressBits: PHYSICAL_BITS,
      mair: LAYOUT_MAIR,
    });
    const tables = new AArch64Tables(
      regime,
      2 ** (this.#pageShift - 12),
      vaRange === 'lower' ? this.#table : undefined,
      vaRange === 'upper' ? this.#table : undefined,
    );
    return {
      kind: 'layout-against-capture',
      name: 'random.yaml',
      captureName: 'tables',
      architecture: 'aarch64',
      registers,
      memory: this.#allocator.memory,
      layout,
      upkeep: [],
      notes: [],
      query: queryOf(tables),
    };
  }

  get #shift(): bigint {
    return BigInt(this.#pageShift);
  }

  #map(first: number, count: number, shift: number, leaf: number, constraints: number): void {
    const kinds = LEAF_KINDS[this.shape.regime];
    const kind = kinds[leaf % kinds.length] as ChangeableLeaf;
    const frame = (FIRST_FRAME >> this.#shift) + BigInt((first % (4 * this.#block)) + shift);
    this.#table.mapRange(
      this.#region(first, count),
      frame << this.#shift,
      this.#attributes(kind),
      constraints,
    );
    for (let page = 0; page < count; page++) {
      this.#mapped.set(first + page, { frame: frame + BigInt(page), leaf: kind });
    }
  }

  #unmap(first: number, count: number): void {
    this.#table.mapRange(
      this.#region(first, count),
      0n,
      this.#attributes({ bits: 0n, declared: '' }),
      Constraints.None,
    );
    for (let page = first; page < first + count; page++) this.#mapped.delete(page);
  }

  #makeReadOnly(first: number, count: number): void {
    const writable = new Map(
      LEAF_KINDS[this.shape.regime].flatMap((leaf) =>
        leaf.readOnly === undefined ? [] : [[leaf.bits, leaf.readOnly] as const],
      ),
    );
    this.#table.modifyRange(this.#region(first, count), (descriptor) => {
      const bits = descriptor.bits & ~ADDRESS_AND_ENGINE_BITS;
      const after = writable.get(bits);
      if (after === undefined) return;
      descriptor.modifyFlags(
        this.#attributes({ bits: after.bits & ~bits, declared: '' }),
        this.#attributes({ bits: bits & ~after.bits, declared: '' }),
      );
    });
    for (let page = first; page < first + count; page++) {
      const mapped = this.#mapped.get(page);
      const leaf = mapped?.leaf.readOnly;
      if (mapped !== undefined && leaf !== undefined) this.#mapped.set(page, { ...mapped, leaf });
    }
  }

  /** Runs of pages of one kind with consecutive frames. */
  #runs(): (Page & { readonly first: number; readonly count: number })[] {
    const runs: (Page & { readonly first: number; count: number })[] = [];
    for (const first of [...this.#mapped.keys()].sort((a, b) => a - b)) {
      const page = this.#mapped.get(first) as Page;
      const last = runs.at(-1);
      const continues =
        last !== undefined &&
        last.first + last.count === first &&
        last.leaf === page.leaf &&
        last.frame + BigInt(last.count) === page.frame;
      if (continues) last.count++;
      else runs.push({ ...page, first, count: 1 });
    }
    return runs;
  }

  #attributes({ bits }: LeafKind) {
    return attributesOf(this.shape.regime, bits);
  }

  #windowStart(window: number): number {
    const starts = [0, this.#block - WINDOW / 2, this.#pages - WINDOW, 3 * this.#block - WINDOW / 2];
    const start = starts[window] ?? 0;
    return start + WINDOW <= this.#pages ? start : 0;
  }

  #region(first: number, count: number): MemoryRegion {
    const start = this.#address(first);
    return new MemoryRegion(start, start + (BigInt(count) << this.#shift));
  }

  #address(page: number): bigint {
    const base = this.shape.vaRange === 'upper' ? (1n << 64n) - (1n << BigInt(this.#vaBits)) : 0n;
    return base + (BigInt(page) << this.#shift);
  }
}

/** Output address, bit 1, and the contiguous hint. */
const ADDRESS_AND_ENGINE_BITS = 0x0000_ffff_ffff_f000n | 2n | (1n << 52n);

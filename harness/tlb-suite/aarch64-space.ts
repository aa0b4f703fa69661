import {
  type AttributesOf,
  El1And0,
  El1Attributes,
  El2,
  El2And0,
  El3,
  El23Attributes,
  Mair,
  Mapping,
  MemoryRegion,
  Stage2,
  Stage2Attributes,
  type TranslationRegime,
} from '../../src/aarch64/mapping/index.ts';
import type { GranuleName } from '../../src/aarch64/mapping/table-geometry.ts';
import { translationRegisters } from '../../src/aarch64/translation-registers.ts';
import type { PageAllocator } from '../../src/memory/page-allocator.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';

/** Attributes to set and to clear. */
export interface FlagChange<R extends TranslationRegime> {
  readonly set: AttributesOf<R>;
  readonly clear: AttributesOf<R>;
}

/** Where the tables of a case are. */
export interface TableRoom {
  readonly memory: PhysicalMemory;
  readonly allocator: PageAllocator;
}

/** An address space in which tables change: a regime, a half of it, and its registers. */
export interface CaseSpace<R extends TranslationRegime = TranslationRegime> {
  /** "EL1&0, upper half". */
  readonly name: string;
  readonly regime: R;
  /** As in Capabilities.features. */
  readonly needs: readonly string[];
  /** Its first address. */
  readonly base: bigint;
  /** Of the granule. */
  readonly pageBytes: bigint;
  readonly none: AttributesOf<R>;
  /** Normal write-back memory that everybody may read and write, and that is executed as far as it can be. */
  readonly open: AttributesOf<R>;
  /** The same in write-through memory. */
  readonly writeThrough: AttributesOf<R>;
  readonly readOnly: FlagChange<R>;
  readonly neverExecuted: FlagChange<R>;
  /** Memory that is only read, and the change that opens it. */
  readonly restricted: AttributesOf<R>;
  readonly relaxed: FlagChange<R>;
  createMapping(room: TableRoom, asid: number): Mapping<R>;
  /** Registers that lead to a mapping's tables. Where another stage translates too, its tables are made in the room. */
  registersOf(mapping: Mapping<R>, room: TableRoom): AArch64Registers;
}

/** The root level that gives each granule an address space above 32 bits, and the bits of it. */
const SIZES = {
  '4K': { pageBytes: 0x1000n, rootLevel: 1, addressBits: 39n },
  '16K': { pageBytes: 0x4000n, rootLevel: 2, addressBits: 36n },
  '64K': { pageBytes: 0x1_0000n, rootLevel: 2, addressBits: 42n },
} as const satisfies Readonly<Record<GranuleName, object>>;
const { rootLevel: ROOT_LEVEL } = SIZES['4K'];
const physicalAddressBits = 48;

/** Write-back, write-through. */
const mair = new Mair(0xbbffn);

const One = El1Attributes;
const El1Flags = (() => {
  const open = One.union(One.Valid, One.Accessed, One.InnerShareable, One.User);
  const never = One.union(One.Uxn, One.Pxn);
  return {
    none: One.Empty,
    open,
    writeThrough: One.union(open, One.AttributeIndex1),
    readOnly: { set: One.ReadOnly, clear: One.Empty },
    neverExecuted: { set: never, clear: One.Empty },
    restricted: One.union(open, One.ReadOnly, never),
    relaxed: { set: One.Empty, clear: One.union(One.ReadOnly, never) },
  };
})();
const Higher = El23Attributes;
const El23Flags = (() => {
  const open = Higher.union(Higher.Valid, Higher.Accessed, Higher.InnerShareable, Higher.UserRes1);
  return {
    none: Higher.Empty,
    open,
    writeThrough: Higher.union(open, Higher.AttributeIndex1),
    readOnly: { set: Higher.ReadOnly, clear: Higher.Empty },
    neverExecuted: { set: Higher.Xn, clear: Higher.Empty },
    restricted: Higher.union(open, Higher.ReadOnly, Higher.Xn),
    relaxed: { set: Higher.Empty, clear: Higher.union(Higher.ReadOnly, Higher.Xn) },
  };
})();
const Second = Stage2Attributes;
const Stage2Flags = (() => {
  const shared = Second.union(Second.Valid, Second.AccessFlag, Second.ShInner, Second.S2apAccessRW);
  const open = Second.union(shared, Second.MemAttrNormalInnerWB, Second.MemAttrNormalOuterWB);
  return {
    none: Second.Empty,
    open,
    writeThrough: Second.union(shared, Second.MemAttrNormalInnerWT, Second.MemAttrNormalOuterWT),
    readOnly: { set: Second.Empty, clear: Second.S2apAccessWO },
    neverExecuted: { set: Second.Xn, clear: Second.Empty },
    restricted: Second.union(Second.without(open, Second.S2apAccessWO), Second.Xn),
    relaxed: { set: Second.S2apAccessWO, clear: Second.Xn },
  };
})();

function el1Space(
  half: 'lower' | 'upper',
  regime: typeof El1And0,
  granule: GranuleName = '4K',
): CaseSpace<typeof El1And0> {
  const { pageBytes, rootLevel, addressBits } = SIZES[granule];
  return {
    ...El1Flags,
    name: `${regime.name}, ${half} half${nameOfPages(granule)}`,
    regime,
    needs: needsOf(regime, granule),
    base: half === 'lower' ? 0n : (1n << 64n) - (1n << addressBits),
    pageBytes,
    createMapping: (room, asid) => new Mapping({ ...room, regime, granule, rootLevel, vaRange: half, asid }),
    registersOf: (mapping) =>
      translationRegisters({ regime, granule, [half]: mapping, physicalAddressBits, mair }),
  };
}

function el23Space(regime: typeof El2 | typeof El3, granule: GranuleName = '4K'): CaseSpace<typeof El2> {
  const { pageBytes, rootLevel } = SIZES[granule];
  return {
    ...El23Flags,
    name: `${regime.name}${nameOfPages(granule)}`,
    regime,
    needs: needsOf(regime, granule),
    base: 0n,
    pageBytes,
    createMapping: (room) => new Mapping({ ...room, regime, granule, rootLevel }),
    registersOf: (mapping) =>
      translationRegisters({ regime, granule, lower: mapping, physicalAddressBits, mair }),
  };
}

function nameOfPages(granule: GranuleName): string {
  return granule === '4K' ? '' : `, ${granule.replace('K', ' KiB')} pages`;
}

function needsOf({ name }: TranslationRegime, granule: GranuleName): readonly string[] {
  return granule === '4K' ? [name] : [name, granule];
}

/** Where cases map pages to, where their tables are, and the addresses of their pages. */
const CASE_FRAMES = new MemoryRegion(0, 0x4000_0000);
const CASE_TABLES = new MemoryRegion(0x4000_0000, 0x4020_0000);
const CASE_PAGES = new MemoryRegion(0x4020_0000, 0x4080_0000);

const StageTwoSpace = {
  ...Stage2Flags,
  regime: Stage2,
  needs: ['stage 2'],
  base: 0n,
  pageBytes: SIZES['4K'].pageBytes,
  createMapping: (room: TableRoom) => new Mapping({ ...room, regime: Stage2, rootLevel: ROOT_LEVEL }),
} as const;

const el1Lower = el1Space('lower', El1And0);

const stageTwo: CaseSpace<typeof Stage2> = {
  ...StageTwoSpace,
  name: 'stage 2 alone',
  registersOf: (mapping) => stageTwoRegisters(mapping),
};

function stageTwoRegisters(lower: Mapping<typeof Stage2>, stageOne?: AArch64Registers): AArch64Registers {
  const options = { regime: Stage2, rootLevel: ROOT_LEVEL, lower, physicalAddressBits } as const;
  return translationRegisters(stageOne === undefined ? options : { ...options, stageOne });
}

/** Stage 1 maps addresses to themselves; the tables of stage 2 change. */
const stageTwoBelowOne: CaseSpace<typeof Stage2> = {
  ...StageTwoSpace,
  name: 'stage 2 below stage 1',
  createMapping(room) {
    const mapping = StageTwoSpace.createMapping(room);
    mapping.mapRange(CASE_TABLES, CASE_TABLES.start, Stage2Flags.open);
    return mapping;
  },
  registersOf(mapping, room) {
    const above = el1Lower.createMapping(room, 0);
    above.mapRange(CASE_PAGES, CASE_PAGES.start, El1Flags.open);
    return stageTwoRegisters(mapping, el1Lower.registersOf(above, room));
  },
};

/** Stage 2 maps addresses to themselves; the tables of stage 1 change. */
const stageOneAboveTwo: CaseSpace<typeof El1And0> = {
  ...el1Lower,
  name: 'EL1&0 above stage 2',
  needs: ['stage 2'],
  registersOf(mapping, room) {
    const below = StageTwoSpace.createMapping(room);
    for (const region of [CASE_FRAMES, CASE_TABLES]) below.mapRange(region, region.start, Stage2Flags.open);
    return stageTwoRegisters(below, el1Lower.registersOf(mapping, room));
  },
};

/** Spaces by the names that cases use. */
export const Spaces = {
  el1Lower,
  el1Upper: el1Space('upper', El1And0),
  el1LowerOf16K: el1Space('lower', El1And0, '16K'),
  el1UpperOf64K: el1Space('upper', El1And0, '64K'),
  el2And0Lower: el1Space('lower', El2And0),
  el2And0Upper: el1Space('upper', El2And0),
  el2: el23Space(El2),
  el2Of64K: el23Space(El2, '64K'),
  el3: el23Space(El3),
  stageTwo,
  stageTwoBelowOne,
  stageOneAboveTwo,
} as const;

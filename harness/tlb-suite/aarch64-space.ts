import { baseRegisterOf, baseRegisterValue } from '../../src/aarch64/mapping/base-register.ts';
import {
  type AttributesOf,
  El1And0,
  El1Attributes,
  El2,
  El2And0,
  El3,
  El23Attributes,
  Mapping,
  MemoryRegion,
  Stage2,
  Stage2Attributes,
  type TranslationRegime,
} from '../../src/aarch64/mapping/index.ts';
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
  readonly needs: string;
  /** Its first address. */
  readonly base: bigint;
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

/** Every space has 39 address bits: the root is at level 1. */
const ROOT_LEVEL = 1;
const SIZE_OFFSET = 25n;
const UPPER_BASE = 0xffff_ff80_0000_0000n;

/** Write-back, write-through. */
const MAIR = 0xbbffn;
/** M, C, I and the bits that are RES1 (Arm ARM D19.2.137). */
const SCTLR = 0x30d0_198dn;
const SCTLR_MMU = 1n;
const PHYSICAL_SIZE_48 = 5n;
/** TCR_EL1: T0SZ, T1SZ, TG1 of 4 KiB, IPS (D19.2.147). */
const TCR_TWO_RANGES = SIZE_OFFSET | (SIZE_OFFSET << 16n) | (2n << 30n) | (PHYSICAL_SIZE_48 << 32n);
/** TCR_EL2 and TCR_EL3: T0SZ, PS, RES1 (D19.2.148). */
const TCR_ONE_RANGE = SIZE_OFFSET | (PHYSICAL_SIZE_48 << 16n) | (1n << 23n) | (1n << 31n);
/** VTCR_EL2: T0SZ, SL0 of level 1, PS, RES1 (D19.2.158). */
const VTCR = SIZE_OFFSET | (1n << 6n) | (PHYSICAL_SIZE_48 << 16n) | (1n << 31n);
/** HCR_EL2 (D19.2.48). */
const Hcr = { VM: 1n, DC: 1n << 12n, TGE: 1n << 27n, E2H: 1n << 34n } as const;

const COMMON = {
  architecture: 'aarch64',
  ttbr0: 0n,
  ttbr1: 0n,
  mair: MAIR,
  sctlr: SCTLR,
  hcrEl2: 0n,
} as const;
const EL1_REGISTERS: AArch64Registers = { ...COMMON, exceptionLevel: 1, tcr: TCR_TWO_RANGES };
const EL2_AND_0_REGISTERS: AArch64Registers = {
  ...EL1_REGISTERS,
  exceptionLevel: 2,
  hcrEl2: Hcr.E2H | Hcr.TGE,
};
const STAGE_TWO_REGISTERS: AArch64Registers = { ...EL1_REGISTERS, hcrEl2: Hcr.VM, vtcr: VTCR, vttbr: 0n };

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

/** The registers with a mapping's tables in their place. */
function withTables<R extends TranslationRegime>(
  registers: AArch64Registers,
  mapping: Mapping<R>,
  vaRange: 'lower' | 'upper' = 'lower',
): AArch64Registers {
  const name = baseRegisterOf(mapping.regime, vaRange);
  return { ...registers, [name]: baseRegisterValue(mapping.rootAddress, mapping.asid) };
}

function el1Space(
  half: 'lower' | 'upper',
  regime: typeof El1And0,
  registers: AArch64Registers,
): CaseSpace<typeof El1And0> {
  return {
    ...El1Flags,
    name: `${regime.name}, ${half} half`,
    regime,
    needs: regime.name,
    base: half === 'lower' ? 0n : UPPER_BASE,
    createMapping: (room, asid) =>
      new Mapping({ ...room, regime, rootLevel: ROOT_LEVEL, vaRange: half, asid }),
    registersOf: (mapping) => withTables(registers, mapping, half),
  };
}

function el23Space(regime: typeof El2 | typeof El3): CaseSpace<typeof El2> {
  const exceptionLevel = regime.name === 'EL2' ? 2 : 3;
  return {
    ...El23Flags,
    name: regime.name,
    regime,
    needs: regime.name,
    base: 0n,
    createMapping: (room) => new Mapping({ ...room, regime, rootLevel: ROOT_LEVEL }),
    registersOf: (mapping) => withTables({ ...COMMON, exceptionLevel, tcr: TCR_ONE_RANGE }, mapping),
  };
}

/** Where cases map pages to, where their tables are, and the addresses of their pages. */
const CASE_FRAMES = new MemoryRegion(0, 0x4000_0000);
const CASE_TABLES = new MemoryRegion(0x4000_0000, 0x4020_0000);
const CASE_PAGES = new MemoryRegion(0x4020_0000, 0x4080_0000);

const StageTwoSpace = {
  ...Stage2Flags,
  regime: Stage2,
  needs: 'stage 2',
  base: 0n,
  createMapping: (room: TableRoom) => new Mapping({ ...room, regime: Stage2, rootLevel: ROOT_LEVEL }),
} as const;

const el1Lower = el1Space('lower', El1And0, EL1_REGISTERS);

/** With HCR_EL2.DC, so that the memory type is that of stage 2. */
const stageTwo: CaseSpace<typeof Stage2> = {
  ...StageTwoSpace,
  name: 'stage 2 alone',
  registersOf: (mapping) =>
    withTables({ ...STAGE_TWO_REGISTERS, sctlr: SCTLR & ~SCTLR_MMU, hcrEl2: Hcr.VM | Hcr.DC }, mapping),
};

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
    return withTables(withTables(STAGE_TWO_REGISTERS, above), mapping);
  },
};

/** Stage 2 maps addresses to themselves; the tables of stage 1 change. */
const stageOneAboveTwo: CaseSpace<typeof El1And0> = {
  ...el1Lower,
  name: 'EL1&0 above stage 2',
  needs: 'stage 2',
  registersOf(mapping, room) {
    const below = StageTwoSpace.createMapping(room);
    for (const region of [CASE_FRAMES, CASE_TABLES]) below.mapRange(region, region.start, Stage2Flags.open);
    return withTables(withTables(STAGE_TWO_REGISTERS, mapping), below);
  },
};

/** Spaces by the names that cases use. */
export const Spaces = {
  el1Lower,
  el1Upper: el1Space('upper', El1And0, EL1_REGISTERS),
  el2And0Lower: el1Space('lower', El2And0, EL2_AND_0_REGISTERS),
  el2And0Upper: el1Space('upper', El2And0, EL2_AND_0_REGISTERS),
  el2: el23Space(El2),
  el3: el23Space(El3),
  stageTwo,
  stageTwoBelowOne,
  stageOneAboveTwo,
} as const;

import { hex } from '../addresses.ts';
import type { AArch64Registers, ExceptionLevel } from '../registers.ts';
import type { Mair } from './mapping/mair.ts';
import type { TranslationRegime } from './mapping/regime.ts';
import type { GranuleName } from './mapping/table-geometry.ts';
import {
  HcrEl2,
  PHYSICAL_ADDRESS_SIZES,
  RangeControl,
  SCR_NON_SECURE,
  Sctlr,
  Tcr1,
  Tcr23,
  Vtcr,
} from './translation-control.ts';

/** A tree of tables that registers are to point to: a `RootTable`, `Mapping`, `IdMap` or `LinearMap`. */
export interface RootOfTables {
  /** Physical address of the root table. */
  readonly rootAddress: bigint;
  /** Bytes of address space that it translates: a power of 2. */
  readonly size: bigint;
  readonly asid?: number | undefined;
}

export interface TranslationOptions {
  readonly regime: TranslationRegime;
  /** What TTBR0 (stage 2: VTTBR) is to point to, and what TTBR1; a half without tables has no walks. */
  readonly lower?: RootOfTables | undefined;
  readonly upper?: RootOfTables | undefined;
  /** Size of pages; 4K where absent. */
  readonly granule?: GranuleName;
  /** Level of the roots; where absent, the one at which walks start when no root tables are concatenated. */
  readonly rootLevel?: number;
  /** Width of a physical address: 32, 36, 40, 42, 44 or 48 bits. */
  readonly physicalAddressBits: number;
  /** What attribute indices mean; stage 2 has none. */
  readonly mair?: Mair;
  /** Of stage 2: which guest its translations belong to; 0 where absent. */
  readonly vmid?: number;
  /** Of stage 2: registers of an EL1&0 stage 1 that is to be under it; where absent, stage 1 is off. */
  readonly stageOne?: AArch64Registers;
}

interface GranuleFields {
  readonly pageShift: number;
  readonly tg0: bigint;
  readonly tg1: bigint;
  /** VTCR_EL2.SL0 of a start level is this minus the level (Arm ARM D19.2.164). */
  readonly sl0Base: number;
}

const GRANULES: Readonly<Record<GranuleName, GranuleFields>> = {
  '4K': { pageShift: 12, tg0: 0b00n, tg1: 0b10n, sl0Base: 2 },
  '16K': { pageShift: 14, tg0: 0b10n, tg1: 0b01n, sl0Base: 3 },
  '64K': { pageShift: 16, tg0: 0b01n, tg1: 0b11n, sl0Base: 3 },
};

/** SL0 of level 3 with 4 KiB pages (FEAT_TTST). */
const SL0_4K_LEVEL_3 = 0b11n;
const LAST_LEVEL = 3;
const MOST_8_BITS = 0xff;
const MOST_16_BITS = 0xffff;
const ASID_SHIFT = 48n;

/**
 * Every register that puts tables in force, with caches on: TTBR0, TTBR1, TCR, MAIR and SCTLR of the regime's exception
 * level, VTTBR and VTCR at stage 2, HCR_EL2 and SCR_EL3 (Non-secure). Walks are write-back and inner shareable.
 *
 * Stage 2 without {@link TranslationOptions.stageOne} is in force alone: HCR_EL2.DC switches stage 1 off and makes its
 * memory write-back, so that accesses have the memory types of stage 2.
 * @throws RangeError if the tables do not fit the regime or each other, naming the value
 */
export function translationRegisters(options: TranslationOptions): AArch64Registers {
  const { physicalAddressBits, regime, upper, lower } = options;
  if (!PHYSICAL_ADDRESS_SIZES.includes(physicalAddressBits)) {
    throw new RangeError(
      `physicalAddressBits is ${physicalAddressBits}, not ${PHYSICAL_ADDRESS_SIZES.join(', ')}`,
    );
  }
  if (lower === undefined && upper === undefined) throw new RangeError('there are no tables');
  if (upper !== undefined && !(regime.vaRanges as readonly string[]).includes('upper')) {
    throw new RangeError(`${regime.name} has no upper range of addresses`);
  }
  switch (regime.name) {
    case 'EL1&0':
      return twoRanges(options, 1, HcrEl2.Rw);
    case 'EL2&0':
      return twoRanges(options, 2, HcrEl2.Rw | HcrEl2.E2h | HcrEl2.Tge);
    case 'EL2':
      return oneRange(options, 2);
    case 'EL3':
      return oneRange(options, 3);
    case 'stage 2':
      return stageTwo(options);
  }
}

function twoRanges(
  options: TranslationOptions,
  exceptionLevel: ExceptionLevel,
  hcrEl2: bigint,
): AArch64Registers {
  const { lower, upper } = options;
  const { tg0, tg1 } = granuleOf(options);
  // A range without walks still has a size and a granule that are not reserved (Cortex-A57 erratum 822227).
  const control = (tables: RootOfTables | undefined) =>
    rangeControl(tables === undefined ? inputBits(lower ?? upper) : inputBits(tables));
  const asids = [lower?.asid ?? 0, upper?.asid ?? 0];
  const tcr =
    control(lower) |
    (control(upper) << Tcr1.UpperShift) |
    (tg0 << Tcr1.Tg0Shift) |
    (tg1 << Tcr1.Tg1Shift) |
    (physicalSize(options) << Tcr1.IpsShift) |
    (lower === undefined ? Tcr1.Epd0 | Tcr1.A1 : 0n) |
    (upper === undefined ? Tcr1.Epd1 : 0n) |
    (asids.some((asid) => asid > MOST_8_BITS) ? Tcr1.As : 0n);
  return {
    ...stageOneRegisters(options),
    exceptionLevel,
    ttbr0: baseOf(lower),
    ttbr1: baseOf(upper),
    tcr,
    sctlr: Sctlr.Res1Of1 | CACHES | Sctlr.M,
    hcrEl2,
  };
}

function oneRange(options: TranslationOptions, exceptionLevel: ExceptionLevel): AArch64Registers {
  const { lower } = options;
  const tcr =
    rangeControl(inputBits(lower)) |
    (granuleOf(options).tg0 << Tcr23.Tg0Shift) |
    (physicalSize(options) << Tcr23.PsShift) |
    Tcr23.Res1;
  return {
    ...stageOneRegisters(options),
    exceptionLevel,
    ttbr0: baseOf(lower),
    ttbr1: 0n,
    tcr,
    sctlr: Sctlr.Res1Of23 | CACHES | Sctlr.M,
    hcrEl2: HcrEl2.Rw,
  };
}

/** Stage 1 off, as it is under stage 2 alone. */
const STAGE_ONE_OFF = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: 0n,
  ttbr1: 0n,
  tcr: 0n,
  mair: 0n,
  hcrEl2: HcrEl2.Rw | HcrEl2.Dc,
  scrEl3: SCR_NON_SECURE,
} as const;

function stageTwo(options: TranslationOptions): AArch64Registers {
  const { lower, vmid = 0, physicalAddressBits, stageOne } = options;
  if (!Number.isInteger(vmid) || vmid < 0 || vmid > MOST_16_BITS) {
    throw new RangeError(`the VMID is ${vmid}, not 0 to ${MOST_16_BITS}`);
  }
  if (stageOne !== undefined && stageOne.exceptionLevel !== 1) {
    throw new RangeError(`stage 1 under stage 2 is that of EL1&0, not of EL${stageOne.exceptionLevel}`);
  }
  const bits = inputBits(lower);
  if (bits > physicalAddressBits) {
    throw new RangeError(
      `intermediate addresses of ${bits} bits are wider than physical ones of ${physicalAddressBits}`,
    );
  }
  const { tg0 } = granuleOf(options);
  const level = startLevelOf(options, bits);
  const vtcr =
    rangeControl(bits) |
    (startLevelField(options, level) << Vtcr.Sl0Shift) |
    (tg0 << Vtcr.Tg0Shift) |
    (physicalSize(options) << Vtcr.PsShift) |
    (vmid > MOST_8_BITS ? Vtcr.Vs : 0n) |
    Vtcr.Res1;
  const below = stageOne ?? { ...STAGE_ONE_OFF, sctlr: Sctlr.Res1Of1 | CACHES };
  return {
    ...below,
    hcrEl2: below.hcrEl2 | HcrEl2.Vm,
    vtcr,
    vttbr: (lower?.rootAddress ?? 0n) | (BigInt(vmid) << ASID_SHIFT),
    physicalAddressBits,
  };
}

const CACHES = Sctlr.C | Sctlr.Sa | Sctlr.I;

function stageOneRegisters({ mair, regime, physicalAddressBits }: TranslationOptions) {
  if (mair === undefined) throw new RangeError(`${regime.name} needs a MAIR value`);
  return { architecture: 'aarch64', mair: mair.bits, scrEl3: SCR_NON_SECURE, physicalAddressBits } as const;
}

function granuleOf({ granule = '4K' }: TranslationOptions): GranuleFields {
  return GRANULES[granule];
}

/** (I)PS. */
function physicalSize({ physicalAddressBits }: TranslationOptions): bigint {
  return BigInt(PHYSICAL_ADDRESS_SIZES.indexOf(physicalAddressBits));
}

/** TnSZ and how walks of the range access memory. */
function rangeControl(bits: number): bigint {
  const { InnerShareable, InnerWriteBack, OuterWriteBack } = RangeControl;
  return BigInt(64 - bits) | InnerWriteBack | OuterWriteBack | InnerShareable;
}

/** Width of the addresses that tables translate. */
function inputBits(tables: RootOfTables | undefined): number {
  const size = tables?.size ?? 0n;
  const bits = size.toString(2).length - 1;
  if (size !== 1n << BigInt(bits)) throw new RangeError(`tables of ${hex(size)} bytes: no power of 2`);
  return bits;
}

function baseOf(tables: RootOfTables | undefined): bigint {
  return tables === undefined ? 0n : tables.rootAddress | (BigInt(tables.asid ?? 0) << ASID_SHIFT);
}

function startLevelOf(options: TranslationOptions, bits: number): number {
  const { pageShift } = granuleOf(options);
  return options.rootLevel ?? LAST_LEVEL + 1 - Math.ceil((bits - pageShift) / (pageShift - 3));
}

/** Physical address bits that a processor must have to start a walk of stage 2 there (Arm ARM D19.2.164, SL0). */
const NEEDED_TO_START: Readonly<Record<GranuleName, Readonly<Record<number, number>>>> = {
  '4K': { 0: 44 },
  '16K': { 1: 42 },
  '64K': { 1: 44 },
};

/** The fewest physical address bits with which stage 2 walks of a granule can start at a level. */
export function physicalBitsToStartAt(level: number, granule: GranuleName): number {
  return NEEDED_TO_START[granule][level] ?? 0;
}

/** SL0. */
function startLevelField(options: TranslationOptions, level: number): bigint {
  const { granule = '4K', physicalAddressBits } = options;
  const needed = physicalBitsToStartAt(level, granule);
  if (physicalAddressBits < needed) {
    throw new RangeError(
      `stage 2 walks of ${granule} tables start at level ${level} with ${needed} physical address bits, not with ${physicalAddressBits}`,
    );
  }
  if (granule === '4K' && level === LAST_LEVEL) return SL0_4K_LEVEL_3;
  return BigInt(granuleOf(options).sl0Base - level);
}
